import type { Manifest } from "../../manifest/schema.ts";
import { backupPlaces } from "./jobs.ts";
import type { BackupJob } from "./jobs.ts";
import { repositoriesOf } from "./storages/storages.ts";

/** A key that was made on the host, and that nobody else has until it is copied. */
export interface HostKey {
  readonly tool: BackupJob["tool"];
  readonly repository: string;
  /** The file on the host that it stands in. */
  readonly path: string;
  /** What it opens outlives the host. */
  readonly isOffsite: boolean;
}

/** The keys of a stack's repositories that are made on the host: those without `passphrase`. */
export function listHostKeys(manifest: Pick<Manifest, "stack" | "backups">): HostKey[] {
  const places = backupPlaces(manifest.stack);
  return (["postgres", "files"] as const).flatMap((tool) =>
    repositoriesOf(manifest, tool)
      .filter(({ passphrase }) => passphrase === undefined)
      .map(({ name, storage }) => ({
        ...{ tool, repository: name, path: places.passphrase(name, tool) },
        isOffsite: storage.hostFolder === undefined,
      })),
  );
}
