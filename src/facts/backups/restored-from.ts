import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** What of a repository a whole stack is to be brought back from. */
export interface RestoreChoice {
  /** A repository's name. */
  readonly repository: string;
  /** pgBackRest's label of a backup, and the timeline that is followed from there. */
  readonly postgres?: { readonly set: string; readonly timeline: number };
  /** restic's id of a snapshot, and the paths of the manifest that are left as they are on the host. */
  readonly files?: { readonly snapshot: string; readonly left: readonly string[] };
}

/** How far that has come, as the host wrote it down. */
export interface RestoreRecord extends RestoreChoice {
  readonly isDone: { readonly postgres: boolean; readonly files: boolean };
}

/** Where it is written down before anything of it begins. It stays: what was brought back once is not brought back again. */
export function restoredFromPath(stackDirectory: string): string {
  return `${stackDirectory}/restored-from`;
}

/** The record as it is when nothing was brought back yet. */
export function renderRestoreRecord({ repository, postgres, files }: RestoreChoice): string {
  return [
    `repository ${repository}`,
    ...(postgres === undefined ? [] : [`set ${postgres.set}`, `timeline ${postgres.timeline}`]),
    ...(files === undefined
      ? []
      : [`snapshot ${files.snapshot}`, ...files.left.map((path) => `left ${path}`)]),
    "",
  ].join("\n");
}

/** undefined where nothing was ever asked to be brought back. */
export function readRestoreRecord(text: string | undefined): RestoreRecord | undefined {
  const lines = (text ?? "").split("\n");
  const all = (key: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1)] : []));
  const [repository] = all("repository");
  if (repository === undefined) return undefined;
  const [set] = all("set");
  const [snapshot] = all("snapshot");
  return {
    repository,
    ...(set === undefined ? {} : { postgres: { set, timeline: Number(all("timeline")[0] ?? 1) } }),
    ...(snapshot === undefined ? {} : { files: { snapshot, left: all("left") } }),
    isDone: {
      postgres: set === undefined || all("postgres").includes("done"),
      files: snapshot === undefined || all("files").includes("done"),
    },
  };
}

/** Paths at which there is something: a file, or a folder that is not empty. Absent where there is nothing. */
export const filledFacts: FactSource<true> = {
  name: "filled",
  script: (paths) => sh`for path in ${paths}; do
  if [ -d "$path" ] && [ ! -L "$path" ]; then [ -n "$(ls -A -- "$path" | head -c 1)" ] || continue
  elif [ ! -e "$path" ] && [ ! -L "$path" ]; then continue; fi
  printf '%s\\n' "$path"
done`,
  parse: (stdout, paths) =>
    new Map(stdout.split("\n").flatMap((path) => (paths.includes(path) ? [[path, true]] : []))),
};
