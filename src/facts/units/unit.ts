import type { FactSource } from "../fact.ts";
import type { Properties } from "./active-units.ts";
import { parseSystemd, systemdGroup } from "./systemd.ts";

export interface UnitFact {
  /** "loaded", "masked", "not-found", "bad-setting" … systemd.unit(5) */
  readonly loadState: string;
  /** "active", "inactive", "failed", "activating" … */
  readonly activeState: string;
  /** "enabled", "disabled", "static", "masked" … or "" */
  readonly unitFileState: string;
  readonly needsDaemonReload: boolean;
  /** "success", "exit-code", "timeout" … systemd.exec(5) */
  readonly result: string;
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

/** The one subject of `restartFacts`. */
export const restartsSubject = "restarts";

/** How often systemd has started each of the units that the same probe asks about once more by itself, since somebody started it. */
export const restartFacts: FactSource<Readonly<Record<string, number>>> = {
  name: "restarts",
  group: systemdGroup,
  parse(stdout) {
    const { units } = parseSystemd(stdout);
    const counts = [...units].map(
      ([name, value]) => [name, Number(value.get("NRestarts") ?? 0)] as const,
    );
    return new Map([[restartsSubject, Object.fromEntries(counts)]]);
  },
};

function readUnit(value: Properties): UnitFact {
  return {
    loadState: value.get("LoadState") ?? "not-found",
    activeState: value.get("ActiveState") ?? "inactive",
    unitFileState: value.get("UnitFileState") ?? "",
    needsDaemonReload: value.get("NeedDaemonReload") === "yes",
    result: value.get("Result") ?? "",
  };
}
