import type { FactSource } from "./fact.ts";
import { parseSystemd, parseTimestamp, systemdGroup } from "./systemd.ts";
import type { Properties } from "./systemd.ts";

export interface UnitFact {
  /** "loaded", "masked", "not-found", "bad-setting" … systemd.unit(5) */
  readonly loadState: string;
  /** "active", "inactive", "failed", "activating" … */
  readonly activeState: string;
  readonly subState: string;
  /** "enabled", "disabled", "static", "masked" … or "" */
  readonly unitFileState: string;
  readonly needsDaemonReload: boolean;
  readonly mainPid: number;
  readonly result: string;
  readonly restarts: number;
  /** Seconds since the epoch; 0 where never. */
  readonly activeSince: number;
  /** Timers: next elapse, seconds since the epoch; 0 where none. */
  readonly nextElapse: number;
}

/** systemd units by name. Unknown units are reported with loadState "not-found". */
export const unitFacts: FactSource<UnitFact> = {
  name: "unit",
  group: systemdGroup,
  parse(stdout, names) {
    const { units } = parseSystemd(stdout);
    return new Map(
      names.flatMap((name) => {
        const value = units.get(name);
        return value === undefined ? [] : [[name, readUnit(value)] as const];
      }),
    );
  },
};

/** Those of some units that run, are enabled or are masked; the others are absent, and systemd is not asked about them. */
export const usedUnitFacts: FactSource<UnitFact> = { ...unitFacts, name: "used-unit" };

/** Those of some units that a package or somebody has installed; systemd is not asked about the others. */
export const installedUnitFacts: FactSource<UnitFact> = { ...unitFacts, name: "installed-unit" };

function readUnit(value: Properties): UnitFact {
  return {
    loadState: value.get("LoadState") ?? "not-found",
    activeState: value.get("ActiveState") ?? "inactive",
    subState: value.get("SubState") ?? "",
    unitFileState: value.get("UnitFileState") ?? "",
    needsDaemonReload: value.get("NeedDaemonReload") === "yes",
    mainPid: Number(value.get("MainPID") ?? 0),
    result: value.get("Result") ?? "",
    restarts: Number(value.get("NRestarts") ?? 0),
    activeSince: parseTimestamp(value.get("ActiveEnterTimestamp")),
    nextElapse: parseTimestamp(value.get("NextElapseUSecRealtime")),
  };
}
