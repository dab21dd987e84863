import type { FactSource } from "./fact.ts";
import { parseSystemd, parseTimestamp, systemdGroup } from "./systemd.ts";
import type { Properties } from "./systemd.ts";

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

/** Targets by name: they themselves and every unit that hangs directly on them, sorted by name. */
export const targetFacts: FactSource<readonly TargetMember[]> = {
  name: "target",
  group: systemdGroup,
  parse(stdout, targets) {
    const { units, members } = parseSystemd(stdout);
    const found = new Map<string, readonly TargetMember[]>();
    for (const target of targets) {
      const names = members.get(target);
      if (names === undefined) continue;
      found.set(
        target,
        names
          .flatMap((name) => readMember(units.get(name)) ?? [])
          .filter(({ unit }) => !unit.endsWith(".slice"))
          .sort((left, right) => (left.unit < right.unit ? -1 : 1)),
      );
    }
    return found;
  },
};

function readMember(value: Properties | undefined): TargetMember | undefined {
  const unit = value?.get("Id");
  if (value === undefined || unit === undefined) return undefined;
  const activeState = value.get("ActiveState") ?? "";
  return {
    unit,
    description: value.get("Description") ?? "",
    type: value.get("Type") ?? "",
    activeState,
    subState: value.get("SubState") ?? "",
    result: value.get("Result") ?? "",
    restarts: Number(value.get("NRestarts") ?? 0),
    activeSince: activeState === "active" ? parseTimestamp(value.get("ActiveEnterTimestamp")) : 0,
    nextElapse: parseTimestamp(value.get("NextElapseUSecRealtime")),
    memory: /^\d{1,15}$/.test(value.get("MemoryCurrent") ?? "")
      ? Number(value.get("MemoryCurrent"))
      : 0,
  };
}
