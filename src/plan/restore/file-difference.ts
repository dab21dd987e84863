import type { FileEntry } from "../../facts/backups/file-entries.ts";

/** A tree of files: of a snapshot or of a host. */
export interface FileTree {
  /** By path below the tree's root, "" for the root itself. Left out where there are too many to hold. */
  readonly entries?: ReadonlyMap<string, FileEntry>;
  readonly count: number;
  /** Of all files together; each name of a file counts. */
  readonly bytes: number;
}

/** How a host's tree would change. */
export interface FileDifference {
  readonly added: readonly string[];
  readonly changed: readonly { readonly path: string; readonly what: string }[];
  readonly removed: readonly string[];
}

/**
 * What a host's tree is against a snapshot's: by type, size, time, owner and mode, as restic itself decides what is new.
 * @param root stands before each path
 * @returns undefined where one of them has too many entries
 */
export function compareTrees(
  host: FileTree,
  snapshot: FileTree,
  root: string,
): FileDifference | undefined {
  if (host.entries === undefined || snapshot.entries === undefined) return undefined;
  const added: string[] = [];
  const changed: { path: string; what: string }[] = [];
  for (const [path, wanted] of snapshot.entries) {
    const there = host.entries.get(path);
    if (there === undefined) added.push(root + path);
    else {
      const what = describeChange(there, wanted);
      if (what !== "") changed.push({ path: root + path, what });
    }
  }
  const removed = [...host.entries.keys()]
    .filter((path) => snapshot.entries?.has(path) === false)
    .map((path) => root + path);
  return { added, changed, removed };
}

function describeChange(there: FileEntry, wanted: FileEntry): string {
  if (there.type !== wanted.type) return `${there.type} → ${wanted.type}`;
  const octal = (mode: number): string => mode.toString(8).padStart(4, "0");
  const { type } = wanted;
  const differs: string[] = [];
  if (type !== "dir" && (there.size !== wanted.size || there.modified !== wanted.modified))
    differs.push("content");
  if (type !== "symlink" && there.mode !== wanted.mode)
    differs.push(`mode ${octal(there.mode)} → ${octal(wanted.mode)}`);
  if (there.uid !== wanted.uid || there.gid !== wanted.gid)
    differs.push(`owner ${there.uid}:${there.gid} → ${wanted.uid}:${wanted.gid}`);
  return differs.join(", ");
}
