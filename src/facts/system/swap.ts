import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

export interface SwapFact {
  /** bytes; 0 where the file is not there */
  readonly fileBytes: number;
  /** The kernel swaps to it. */
  readonly isActive: boolean;
}

/** Swap files by path. */
export const swapFacts: FactSource<SwapFact> = {
  name: "swap",
  script: (paths) =>
    sh`for f in ${paths}; do echo "$(stat -c %s "$f" || echo 0) $(awk -v f="$f" ${'$1==f {print "active"}'} /proc/swaps) $f"; done`,
  parse(stdout) {
    const found = new Map<string, SwapFact>();
    for (const match of stdout.matchAll(/^(\d+) (active)? ?(\/.+)$/gm)) {
      found.set(match[3] as string, {
        fileBytes: Number(match[1]),
        isActive: match[2] === "active",
      });
    }
    return found;
  },
};
