import type { Repository } from "../../../manifest/schema.ts";
import type { System } from "../../../facts/system/system.ts";
import type { Script } from "../../../shell/script.ts";
import type { StackInputs } from "../../inputs.ts";
import type { BackupJob } from "../jobs.ts";

type Tool = BackupJob["tool"];

/** A file that only its tool's user reads. */
export interface AccessFile {
  readonly path: string;
  readonly secret: string;
}

/** Values that were read on the controller. */
export type Values = Pick<StackInputs, "secrets" | "texts">;

/**
 * All that depends on where a repository lies: one file a driver, and nothing else asks which it is. A new one is a file here, a line in
 * `storages.ts`, and its keys in `manifest/sections/repositories.ts`.
 */
export interface Storage {
  /** The folder in it that each tool gets its own folder in. */
  readonly base: string;
  /** Where it is a folder on the host itself. */
  readonly hostFolder: string | undefined;
  /** Packages that it takes to reach it. */
  readonly packages: readonly string[];
  /** What is known of it besides its place; when that changes, the repository is looked at anew. */
  readonly pinned: string;
  /** Files that `prepare` makes. */
  leaves(tool: Tool): readonly string[];
  /** What comes before the tool's own preparation. @param owner of the files that it makes; absent: the tool's user; "self": who runs it */
  prepare(tool: Tool, owner?: string): readonly Script[];
  /**
   * Tries what an append-only repository has to refuse, with what the host has. Runs in a folder of its own, as the tool's user; `$planted`
   * is a file of the host that remembers since when there is something to try it on. Prints `refused`, `early` (nothing is old enough yet), or
   * what the host could do; fails where it could not be tried. Absent: whoever has the host has the repository.
   */
  readonly attempt?: (tool: Tool) => Script;
  readonly pgbackrest: {
    /** @throws HostkitError os_unsupported where this system's pgBackRest cannot use it */
    check(system: System): void;
    /** Settings, in their order. */
    options(prefix: string): readonly (readonly [name: string, value: string])[];
    access(prefix: string, values: Values): readonly AccessFile[];
  };
  readonly restic: {
    readonly url: string;
    /** A file with environment variables. */
    readonly environment: string | undefined;
    /** Further words of every call. */
    readonly options: readonly string[];
    access(values: Values): readonly AccessFile[];
  };
}

/** Makes the storage of a repository of its kind. */
export type StorageDriver<Kind extends Repository["kind"]> = (
  repository: Extract<Repository, { readonly kind: Kind }>,
  stack: string,
) => Storage;

/** Folder of a tool's repository within the storage's: two tools never share one. */
export function toolFolder(base: string, tool: Tool): string {
  return `${base.replace(/\/+$/, "")}/${tool}`;
}

/** A secret's value, which is a line of text. @throws TypeError where nobody read it so */
export function secretOf({ secrets }: Pick<Values, "secrets">, name: string): string {
  const value = secrets.get(name);
  if (typeof value !== "string") throw new TypeError(`the secret ${name} was not read`);
  return value.trim();
}
