import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

/** How long a change took in a run that the host still knows of. */
export interface PastChange {
  readonly action: string;
  readonly id: string;
  /** From the start of its first step to the end of its last. */
  readonly seconds: number;
}

/** So many of the newest runs are read; what none of them did is not known. */
const newestRuns = 12;
const maxBytes = 400_000;

/** Ids, actions and times of a run's changes, out of what it left: `change ACTION ID`, in order, then `took NUMBER SECONDS`. */
const readRun = `FILENAME ~ /plan.json$/ {
  if (match($0, /^   "id": "/)) { id = substr($0, RLENGTH + 1); sub(/",?$/, "", id) }
  if (match($0, /^   "action": "/)) { action = substr($0, RLENGTH + 1); sub(/",?$/, "", action); print "change", action, id }
  next
}
{
  split($0, part, /[^a-z0-9.]+/)
  if (part[5] == "step" && !(part[7] in began)) began[part[7]] = part[3]
  if (part[5] == "change" && part[7] in began) printf "took %d %.2f\\n", part[7], part[3] - began[part[7]]
}`;

/** What the stack's last runs took for their changes, the newest first, by the stack's folder. */
export const pastRunFacts: FactSource<readonly PastChange[]> = {
  name: "past-runs",
  script: (folders) => sh`for folder in ${folders}; do
  echo "of $folder"
  ls -1d "$folder"/runs/*/ 2>/dev/null | sort -r | head -n ${newestRuns} | while IFS= read -r run; do
    [ -e "$run/plan.json" ] && [ -e "$run/events" ] || continue
    echo run
    awk ${readRun} "$run/plan.json" "$run/events" 2>/dev/null || :
  done | head -c ${maxBytes}
done`,
  parse(stdout) {
    const found = new Map<string, readonly PastChange[]>();
    for (const part of stdout.split(/^of /m).slice(1)) {
      const [folder = "", ...lines] = part.split("\n");
      found.set(folder, lines.join("\n").split(/^run$/m).flatMap(readChanges));
    }
    return found;
  },
};

function readChanges(text: string): PastChange[] {
  const changes = [...text.matchAll(/^change ([a-z]+) (\S.*)$/gm)];
  return [...text.matchAll(/^took (\d+) (\d+(?:\.\d+)?)$/gm)].flatMap(([, number, seconds]) => {
    const [, action, id] = changes[Number(number) - 1] ?? [];
    return action === undefined || id === undefined
      ? []
      : [{ action, id, seconds: Number(seconds) }];
  });
}
