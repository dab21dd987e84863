import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

/** Folders by path: KiB free for everybody on the file system they are on (df(1) -P). */
export const diskFacts: FactSource<number> = {
  name: "disk",
  // One call for each: a folder that is missing is a line less, and lines do not name the folder.
  script: (folders) => sh`for d in ${folders}; do echo "of $d"; df -Pk "$d"; done`,
  parse(stdout) {
    const found = new Map<string, number>();
    let folder = "";
    for (const line of stdout.split("\n")) {
      const [, named] = /^of (\/.*)$/.exec(line) ?? [];
      if (named !== undefined) folder = named;
      const [, free] = /^\S.*? +\d+ +\d+ +(\d+) +\d+% \//.exec(line) ?? [];
      if (free !== undefined) found.set(folder, Number(free));
    }
    return found;
  },
};
