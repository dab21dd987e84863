import type { Properties } from "./active-units.ts";
import type { FactSource } from "../fact.ts";
import { parseSystemd, parseTimestamp, systemdGroup } from "./systemd.ts";

/** A target, or one unit that it pulls in; where all is well and nobody asks for restarts, some of it is not known. */
export interface TargetMember {
  readonly unit: string;
  readonly description: string;
  /** Services: "simple", "notify", "oneshot" …; "" for other units. */
  readonly type?: string;
  readonly activeState: string;
  readonly subState: string;
  readonly result: string;
  readonly restarts?: number;
  /** Seconds since the epoch; 0 where it does not run. */
  readonly activeSince: number;
  /** Timers: next elapse, seconds since the epoch; 0 where none. */
  readonly nextElapse?: number;
  /** Bytes; 0 where not counted. */
  readonly memory?: number;
}

/** Targets by name: they themselves and every unit that hangs directly on them, sorted by name. */
export const targetFacts: FactSource<readonly TargetMember[]> = {
  name: "target",
  group: systemdGroup,
  parse(stdout, targets) {
    const { isInFull, units, members } = parseSystemd(stdout);
    const found = new Map<string, readonly TargetMember[]>();
    for (const target of targets) {
      const names = members.get(target);
      if (names === undefined) continue;
      found.set(
        target,
        names
          .flatMap((name) => readMember(units.get(name), isInFull) ?? [])
          .filter(({ unit }) => !unit.endsWith(".slice"))
          .sort((left, right) => (left.unit < right.unit ? -1 : 1)),
      );
    }
    return found;
  },
};

function readMember(value: Properties | undefined, isInFull: boolean): TargetMember | undefined {
  const unit = value?.get("Id");
  if (value === undefined || unit === undefined) return undefined;
  const activeState = value.get("ActiveState") ?? "";
  const known = {
    unit,
    description: value.get("Description") ?? "",
    activeState,
    subState: value.get("SubState") ?? "",
    result: value.get("Result") ?? "",
    activeSince: activeState === "active" ? parseTimestamp(value.get("ActiveEnterTimestamp")) : 0,
  };
  if (!isInFull) return known;
  const memory = value.get("MemoryCurrent") ?? "";
  return {
    ...known,
    type: value.get("Type") ?? "",
    restarts: Number(value.get("NRestarts") ?? 0),
    nextElapse: parseTimestamp(value.get("NextElapseUSecRealtime")),
    memory: /^\d{1,15}$/.test(memory) ? Number(memory) : 0,
  };
}
