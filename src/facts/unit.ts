import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

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

const properties =
  "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,Result,NRestarts,ActiveEnterTimestamp,NextElapseUSecRealtime";

/** systemd units by name. Unknown units are reported with loadState "not-found". */
export const unitFacts: FactSource<UnitFact> = {
  name: "unit",
  lane: "units",
  script: (names) => sh`TZ=UTC systemctl show --timestamp=unix -p ${properties} -- ${names} ||
TZ=UTC systemctl show -p ${properties} -- ${names}`,
  parse(stdout, names) {
    const found = new Map<string, UnitFact>();
    const blocks = stdout.split(/\n\s*\n/).filter((block) => block.trim() !== "");
    blocks.forEach((block, index) => {
      const name = names[index];
      if (name === undefined) return;
      const value = new Map(
        block.split("\n").map((line) => {
          const at = line.indexOf("=");
          return [line.slice(0, at), line.slice(at + 1)] as const;
        }),
      );
      found.set(name, {
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
      });
    });
    return found;
  },
};

/** `@1763683200` (systemd ≥ 248) or `Fri 2026-11-20 23:59:00 UTC`. */
function parseTimestamp(text: string | undefined): number {
  if (text === undefined || text === "" || text === "n/a") return 0;
  if (text.startsWith("@")) return Number(text.slice(1));
  const match = /(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)/.exec(text);
  if (match === null) return 0;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
}
