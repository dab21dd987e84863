import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** What decides whether somebody besides root can put another thing at a name. */
export interface Entry {
  readonly type: "file" | "directory" | "link" | "other";
  /** Octal, four digits. */
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
}

/** A link on the way to a path that somebody besides root made or can change. */
export interface Planted {
  readonly link: string;
  /** `user postgres`, `group staff`, `anybody` */
  readonly by: string;
}

const typeOf: Readonly<Record<string, Entry["type"]>> = {
  "8": "file",
  "4": "directory",
  a: "link",
};

/** For stat(1): what `readEntry` reads. %f is the raw mode in hex, inode(7). */
export const entryFormat = "%f %U %G %s %n";

/** A line of stat(1). */
export function readEntry(
  line: string,
): (Entry & { readonly size: number; readonly path: string }) | undefined {
  const [, raw, owner, group, size, path] = /^([0-9a-f]+) (\S+) (\S+) (\d+) (.+)$/.exec(line) ?? [];
  if (raw === undefined || owner === undefined || group === undefined || path === undefined)
    return undefined;
  const bits = Number.parseInt(raw, 16);
  return {
    type: typeOf[(bits >> 12).toString(16)] ?? "other",
    mode: (bits & 0o7777).toString(8).padStart(4, "0"),
    owner,
    group,
    size: Number(size),
    path,
  };
}

/** `/a/b/c` → `/`, `/a`, `/a/b`. */
export function listFolders(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return names.map((_, count) => `/${names.slice(0, count).join("/")}`);
}

/**
 * The first link on a path that hostkit's scripts will not follow (templates/run/paths.sh); root's own links end the search.
 * @param path with a slash at its end the last name counts too
 * @param entries by path
 */
export function findPlanted(
  path: string,
  entries: ReadonlyMap<string, Entry>,
): Planted | undefined {
  const isWhole = path.endsWith("/");
  const all = [...listFolders(path), ...(isWhole ? [path.replace(/\/+$/, "")] : [])];
  for (const [index, name] of all.entries()) {
    const entry = entries.get(name);
    if (entry?.type === "directory") continue;
    if (entry?.type !== "link") return undefined;
    const by = findChanger(entries.get(all[index - 1] ?? "/"), entry);
    return by === undefined ? undefined : { link: name, by };
  }
  return undefined;
}

function findChanger(folder: Entry | undefined, entry: Entry): string | undefined {
  if (folder === undefined) return undefined;
  if (folder.owner !== "root") return `user ${folder.owner}`;
  const bits = Number.parseInt(folder.mode, 8);
  if ((bits & 0o1000) !== 0 && entry.owner === "root") return undefined;
  if ((bits & 0o002) !== 0) return (bits & 0o1000) === 0 ? "anybody" : `user ${entry.owner}`;
  return (bits & 0o020) !== 0 && folder.group !== "root" ? `group ${folder.group}` : undefined;
}

/** Paths, as for `findPlanted`. */
export const plantedFacts: FactSource<Planted> = {
  name: "planted",
  script: (paths) => {
    const names = paths.flatMap((path) => [...listFolders(path), path.replace(/\/+$/, "")]);
    return sh`stat -c ${entryFormat} -- ${[...new Set(names)].sort()}`;
  },
  parse(stdout, paths) {
    const entries = new Map<string, Entry>();
    for (const line of stdout.split("\n")) {
      const entry = readEntry(line);
      if (entry !== undefined) entries.set(entry.path, entry);
    }
    const found = new Map<string, Planted>();
    for (const path of paths) {
      const planted = findPlanted(path, entries);
      if (planted !== undefined) found.set(path, planted);
    }
    return found;
  },
};
