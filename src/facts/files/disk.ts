import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

export interface DiskFact {
  /** KiB free for everybody. */
  readonly free: number;
  /** Where the file system is mounted: folders with the same one share the room. */
  readonly mount: string;
  /** Files that can still be made; absent where the file system sets no limit. */
  readonly files?: number;
}

/** Folders by path: the file system they are on (df(1) -P, -i). Of a folder that is not there yet, the one it would be made in. */
export const diskFacts: FactSource<DiskFact> = {
  name: "disk",
  // One call for each: lines do not name the folder.
  script: (folders) => sh`for d in ${folders}; do
  echo "of $d"
  while [ ! -d "$d" ]; do d=\${d%/*}; d=\${d:-/}; done
  df -Pk "$d"
  df -Pi "$d"
done`,
  parse(stdout) {
    const found = new Map<string, DiskFact>();
    for (const section of stdout.split(/^of (?=\/)/m).slice(1)) {
      const [folder = "", ...lines] = section.split("\n");
      const rows = lines.flatMap((line) => {
        const [, free, share, mount] = /^\S.*? +\d+ +\d+ +(\d+) +(\d+%|-) (\/.*)$/.exec(line) ?? [];
        return free === undefined || mount === undefined
          ? []
          : [{ free: Number(free), mount, isLimited: share !== "-" }];
      });
      const [blocks, inodes] = rows;
      if (blocks === undefined) continue;
      const { free, mount } = blocks;
      found.set(folder, {
        free,
        mount,
        ...(inodes?.isLimited === true ? { files: inodes.free } : {}),
      });
    }
    return found;
  },
};
