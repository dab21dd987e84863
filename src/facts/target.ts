import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

/** A target, or one unit that it pulls in. */
export interface TargetMember {
  readonly unit: string;
  readonly description: string;
  /** Services: "simple", "notify", "oneshot" …; "" for other units. */
  readonly type: string;
  readonly activeState: string;
  readonly subState: string;
  readonly result: string;
  readonly restarts: number;
  /** Seconds since the epoch; 0 where it does not run. */
  readonly activeSince: number;
  /** Timers: next elapse, seconds since the epoch; 0 where none. */
  readonly nextElapse: number;
  /** Bytes; 0 where not counted. */
  readonly memory: number;
}

const properties =
  "Id,Description,Type,ActiveState,SubState,Result,NRestarts,ActiveEnterTimestamp,NextElapseUSecRealtime,MemoryCurrent";

/** Targets by name: they themselves and every unit that hangs directly on them, sorted by name. */
export const targetFacts: FactSource<readonly TargetMember[]> = {
  name: "target",
  lane: "units",
  script: (targets) => sh`for t in ${targets}; do
  echo "target $t"
  u=$(systemctl show -p Wants -p Requires --value -- "$t")
  TZ=UTC systemctl show --timestamp=unix -p ${properties} -- "$t" $u
done`,
  parse(stdout, targets) {
    const found = new Map<string, readonly TargetMember[]>();
    for (const section of stdout.split(/^target /m)) {
      const name = targets.find((target) => section.startsWith(`${target}\n`));
      if (name === undefined) continue;
      const blocks = section.slice(name.length).split(/\n\s*\n/);
      const members = blocks.map(readMember).filter((member) => member !== undefined);
      found.set(
        name,
        members
          .filter(({ unit }) => !unit.endsWith(".slice"))
          .sort((left, right) => (left.unit < right.unit ? -1 : 1)),
      );
    }
    return found;
  },
};

function readMember(block: string): TargetMember | undefined {
  const value = new Map(
    block.split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  const unit = value.get("Id");
  if (unit === undefined) return undefined;
  const activeState = value.get("ActiveState") ?? "";
  return {
    unit,
    description: value.get("Description") ?? "",
    type: value.get("Type") ?? "",
    activeState,
    subState: value.get("SubState") ?? "",
    result: value.get("Result") ?? "",
    restarts: Number(value.get("NRestarts") ?? 0),
    activeSince: activeState === "active" ? readTime(value.get("ActiveEnterTimestamp")) : 0,
    nextElapse: readTime(value.get("NextElapseUSecRealtime")),
    memory: /^\d{1,15}$/.test(value.get("MemoryCurrent") ?? "")
      ? Number(value.get("MemoryCurrent"))
      : 0,
  };
}

/** `@1763683200` of --timestamp=unix (systemd ≥ 248), or `Fri 2026-11-20 23:59:00 UTC`, which timers' next elapse keeps. */
function readTime(text: string | undefined): number {
  const unix = /^@(\d+)/.exec(text ?? "")?.[1];
  if (unix !== undefined) return Number(unix);
  const match = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC/.exec(text ?? "");
  return match === null ? 0 : Date.parse(`${match[1]}T${match[2]}Z`) / 1000;
}
