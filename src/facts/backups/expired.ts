import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** Where a host keeps when old backups were last removed from its append-only repositories: `REPOSITORY EPOCH`, a line for each. */
export function expiredRecordOf(stack: string): string {
  return `/var/lib/hostkit/${stack}/backups/expired`;
}

/** Stacks by name: repositories with the time, seconds since the epoch. */
export const expiredFacts: FactSource<Readonly<Record<string, number>>> = {
  name: "backup-expired",
  script: (stacks) => sh`for stack in ${stacks}; do
  f=/var/lib/hostkit/$stack/backups/expired
  echo "$stack"
  [ -f "$f" ] && [ ! -L "$f" ] && head -c 65536 "$f" | sed "s/^/$stack /"
done`,
  parse(stdout) {
    const found = new Map<string, Record<string, number>>();
    for (const line of stdout.split("\n")) {
      const [stack = "", repository, time = ""] = line.split(" ");
      if (stack === "") continue;
      const times = found.get(stack) ?? {};
      if (repository !== undefined && /^\d{1,12}$/.test(time)) times[repository] = Number(time);
      found.set(stack, times);
    }
    return found;
  },
};
