import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** A host's own time. */
export interface ClockFact {
  /** Seconds since the epoch. */
  readonly now: number;
  /** `Europe/Berlin`; "" for none that is set. */
  readonly zone: string;
}

/** The only subject of `clockFacts`. */
export const clockSubject = "now";

export const clockFacts: FactSource<ClockFact> = {
  name: "clock",
  script: () =>
    sh`echo "$(date +%s) $(sed -n 1p /etc/timezone 2>/dev/null || readlink /etc/localtime | sed ${"s#.*zoneinfo/##"})"`,
  parse(stdout) {
    const [, now, zone = ""] = /^(\d+) (\S*)$/m.exec(stdout) ?? [];
    return new Map(now === undefined ? [] : [[clockSubject, { now: Number(now), zone }]]);
  },
};
