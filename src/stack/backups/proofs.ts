import type { DrillFact, DrillRecord } from "../../facts/backups/drill.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { listBackupDrills } from "./jobs.ts";

/** How it stands with the proof of one repository's backups. */
export interface Proof {
  readonly tool: "postgres" | "files";
  readonly repository: string;
  /** "none": no drill yet, and none is due. */
  readonly state: "ok" | "failed" | "overdue" | "none" | "running";
  /** The newest drill. */
  readonly last?: DrillRecord;
  /** The newest drill that went well. */
  readonly proved?: DrillRecord;
}

const day = 86_400;

/**
 * What the drills of a stack prove now, a line for each tool's repository. A drill is overdue when two of its times went by without
 * one, and a day more.
 * @param now seconds since the epoch, on the host's clock
 */
export function judgeDrills(
  manifest: Pick<Manifest, "stack" | "backups">,
  fact: DrillFact | undefined,
  now: number,
): Proof[] {
  return listBackupDrills(manifest).flatMap(({ tool, repositories, schedule }) =>
    repositories.map((repository): Proof => {
      const records = (fact?.records ?? []).filter(
        (record) => record.tool === tool && record.repository === repository,
      );
      const last = records.at(-1);
      const proved = records.findLast(({ outcome }) => outcome === "ok");
      const about = {
        ...{ tool, repository },
        ...(last === undefined ? {} : { last }),
        ...(proved === undefined ? {} : { proved }),
      };
      if (last !== undefined && last.outcome !== "ok") return { ...about, state: "failed" };
      const from = last?.finished ?? fact?.since[tool];
      const isLate =
        schedule !== undefined &&
        from !== undefined &&
        now - from > 2 * longestPauseOf(schedule) + day;
      if (isLate) return { ...about, state: "overdue" };
      if (last !== undefined) return { ...about, state: "ok" };
      const isRunning = fact?.running.some(
        (one) => one.tool === tool && one.repository === repository,
      );
      return { ...about, state: isRunning === true ? "running" : "none" };
    }),
  );
}

const named: Readonly<Record<string, number>> = {
  hourly: 3600,
  daily: day,
  weekly: 7 * day,
  monthly: 31 * day,
  quarterly: 92 * day,
  semiannually: 184 * day,
  yearly: 366 * day,
};

/** At most so many seconds are between two times of a schedule (systemd.time(7), "Calendar Events"). */
export function longestPauseOf(schedule: string): number {
  const known = named[schedule];
  if (known !== undefined) return known;
  const words = schedule.split(" ");
  const date = words.find((word) => /^[\d*,./]+-|^[\d*,./]+~/.test(word));
  const [, month = "*", dayOfMonth = "*"] = /(?:^|-)([^-~]+)[-~]([^-~]+)$/.exec(date ?? "") ?? [];
  if (month !== "*") return 366 * day;
  if (dayOfMonth !== "*") return 31 * day;
  return words.some((word) => /^(?:mon|tue|wed|thu|fri|sat|sun)/i.test(word)) ? 7 * day : day;
}

const weekdayNames = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** At least about so many seconds are between two times of a schedule: what it can explain at most. */
export function shortestPauseOf(schedule: string): number {
  const known = named[schedule];
  if (known !== undefined) return known;
  const words = schedule.split(" ");
  const time = words.find((word) => word.includes(":")) ?? "0:0";
  const [hour = "", minute = ""] = time.split(":");
  if (!isOne(minute)) return 60;
  if (!isOne(hour)) return 3600;
  const date = words.find((word) => /^[\d*,./]+-|^[\d*,./]+~/.test(word));
  const [, month = "*", dayOfMonth = "*"] = /(?:^|-)([^-~]+)[-~]([^-~]+)$/.exec(date ?? "") ?? [];
  const weekdays = words.find((word) => /^(?:mon|tue|wed|thu|fri|sat|sun)/i.test(word));
  if (isOne(dayOfMonth)) return isOne(month) ? 365 * day : 28 * day;
  return weekdays === undefined || dayOfMonth !== "*"
    ? day
    : Math.floor((7 * day) / countWeekdays(weekdays));
}

function isOne(part: string): boolean {
  return /^\d+$/.test(part);
}

function countWeekdays(text: string): number {
  return text.split(",").reduce((count, part) => {
    const [from = 0, to = from] = part
      .split(/\.\.|-/)
      .map((word) => weekdayNames.indexOf(word.slice(0, 3).toLowerCase()));
    return count + Math.max(1, to - from + 1);
  }, 0);
}
