import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

/** The holder's line where a backup has services stopped while it copies their volumes: no run that could be followed. */
export const backupHolder = "the backup of files, which has services stopped for a moment";

/**
 * Stack folders whose lock is held by a run that is going on: the holder's own line ("ann@laptop since …, run …").
 * flock(1) without waiting: a lock whose holder died is free. A run that ends empties the line, so that mostly nobody has to try.
 */
export const lockFacts: FactSource<string> = {
  name: "lock",
  script: (directories) => sh`for d in ${directories}; do
  [ -s "$d/lock.holder" ] || continue
  flock -n 9 9<"$d/lock" || echo "$d $(cat "$d/lock.holder")"
done`,
  parse(stdout) {
    const found = new Map<string, string>();
    for (const match of stdout.matchAll(/^(\/\S+) (.*)$/gm))
      found.set(match[1] as string, match[2] as string);
    return found;
  },
};
