/** One file, folder or link, as far as two of them are compared. */
export interface FileEntry {
  readonly type: "file" | "dir" | "symlink" | "other";
  /** The permission bits, with those for set-user-id, set-group-id and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for what is no file. */
  readonly size: number;
  /** Seconds and nine digits: `1764279857.123456789`. */
  readonly modified: string;
}

/** What `find` is to print of each thing it finds; entries end with a zero byte. */
export const findFormat = String.raw`%y %m %U %G %s %T@ %p\0`;

const typesOfFind: Readonly<Record<string, FileEntry["type"]>> = {
  f: "file",
  d: "dir",
  l: "symlink",
};

/** One entry of `find -printf`; undefined for a socket, which no backup brings back, and for what cannot be read. */
export function readFoundEntry(text: string): readonly [path: string, FileEntry] | undefined {
  const match = /^([a-zA-Z]) ([0-7]+) (\d+) (\d+) (\d+) (-?\d+)(?:\.(\d+))? (\/[\s\S]*)$/.exec(
    text,
  );
  if (match === null || match[1] === "s") return undefined;
  const [, letter = "", mode = "", uid, gid, size, seconds = "", fraction = "", path = ""] = match;
  const type = typesOfFind[letter] ?? "other";
  return [
    path,
    {
      type,
      mode: Number.parseInt(mode, 8),
      uid: Number(uid),
      gid: Number(gid),
      size: type === "file" ? Number(size) : 0,
      modified: `${seconds}.${fraction.slice(0, 9).padEnd(9, "0")}`,
    },
  ];
}

interface Node {
  readonly struct_type?: string;
  readonly path: string;
  readonly type: string;
  readonly mode?: number;
  readonly uid: number;
  readonly gid: number;
  readonly size?: number;
  readonly mtime: string;
}

/** One line of `restic ls --json`; undefined for the line about the snapshot itself, for a socket, and for what cannot be read. */
export function readSnapshotEntry(line: string): readonly [path: string, FileEntry] | undefined {
  const node = parseNode(line);
  if (node?.struct_type !== "node" || node.type === "socket") return undefined;
  const type =
    node.type === "file" || node.type === "dir" || node.type === "symlink" ? node.type : "other";
  return [
    node.path,
    {
      type,
      mode: permissionsOf(node.mode ?? 0),
      uid: node.uid,
      gid: node.gid,
      size: type === "file" ? (node.size ?? 0) : 0,
      modified: readTime(node.mtime),
    },
  ];
}

/** Go's os.FileMode keeps the three bits above the permissions elsewhere (os.ModeSetuid, ModeSetgid, ModeSticky). */
function permissionsOf(mode: number): number {
  const bit = (from: number, to: number): number =>
    Math.floor(mode / 2 ** from) % 2 === 1 ? to : 0;
  return (mode & 0o777) | bit(23, 0o4000) | bit(22, 0o2000) | bit(20, 0o1000);
}

function readTime(text: string): string {
  const match = /^(.*T\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return text;
  const [, time = "", fraction = "", zone = ""] = match;
  return `${Date.parse(time + zone) / 1000}.${fraction.slice(0, 9).padEnd(9, "0")}`;
}

function parseNode(line: string): Node | undefined {
  try {
    return JSON.parse(line) as Node;
  } catch {
    return undefined;
  }
}
