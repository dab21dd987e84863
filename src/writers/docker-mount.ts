import { refuseControl, UnwritableError } from "./written.ts";

/** What docker-run(1) `--mount` is told. */
export interface DockerMount {
  readonly type: "bind" | "volume";
  /** Path on the host, or the volume's name. */
  readonly source: string;
  /** Path in the container. */
  readonly target: string;
  readonly options: readonly ("readonly" | "volume-nocopy")[];
}

/**
 * The word behind `--mount`: one record of CSV (RFC 4180, as Go's encoding/csv reads it) with `key=value` fields. A field with
 * a comma, a quote or a blank at its beginning stands in quotes, in which a quote is doubled.
 * @throws UnwritableError
 */
export function writeDockerMount(mount: DockerMount): string {
  for (const path of [mount.source, mount.target]) {
    refuseControl(path);
    if (path !== path.trim())
      throw new UnwritableError("Docker takes no blanks at the ends of a path of a volume");
  }
  return [`type=${mount.type}`, `src=${mount.source}`, `dst=${mount.target}`, ...mount.options]
    .map((field) => (/[,"]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(",");
}
