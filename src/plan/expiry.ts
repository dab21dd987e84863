import { HostkitError } from "../errors.ts";
import type { StoredBackup } from "../facts/backups/expiry.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { BackupJob } from "../stack/backups/jobs.ts";
import { listBackupJobs } from "../stack/backups/jobs.ts";
import { shortestPauseOf } from "../stack/backups/proofs.ts";

/** One tool's backups in one repository, and what would go. */
export interface ExpiryLook {
  readonly repository: string;
  readonly tool: BackupJob["tool"];
  /** The oldest first. */
  readonly backups: readonly StoredBackup[];
  /** Labels of what would be removed. */
  readonly goes: readonly string[];
  /** Backups that lie there and are not listed: one that is being made, or was cut off. */
  readonly unlisted: readonly string[];
}

/** What this machine wrote down when it removed old backups last. */
export interface ExpiryRecord {
  /** Seconds since the epoch. */
  readonly time: number;
  /** What was left then. */
  readonly left: readonly string[];
}

const day = 86_400;
/** Backups by hand, and those of restores and of a first provision, are in no schedule. */
const unscheduled = 3;
/** Clocks differ. */
const tolerance = 600;

/** What a look is held against. */
export interface ExpiryMeasure {
  readonly manifest: Pick<Manifest, "stack" | "backups">;
  /** What this machine wrote down last of the same tool and repository. */
  readonly last?: ExpiryRecord;
  /** Labels of backups that drills have restored; undefined: no host was asked. */
  readonly proved?: readonly string[];
  /** Seconds since the epoch, on the controller's clock. */
  readonly now: number;
}

/**
 * What speaks against removing what is shown: whoever takes a host over cannot remove backups, but can make so many that the good ones
 * are counted out. Nothing where nothing would go.
 */
export function doubtExpiry(look: ExpiryLook, measure: ExpiryMeasure): string[] {
  if (look.goes.length === 0) return [];
  return [
    ...datedAhead(look, measure),
    ...datedBack(look, measure),
    ...moreThanScheduled(look, measure),
    ...reachesLess(look, measure),
    ...losesProved(look, measure),
  ];
}

/**
 * Whatever anybody asks for: the last backup that is whole stays.
 * @throws HostkitError run_failed
 */
export function refuseLast({ repository, tool, backups, goes }: ExpiryLook): void {
  const whole = backups.filter(({ isDamaged }) => isDamaged !== true);
  if (goes.length === 0 || whole.some(({ label }) => !goes.includes(label))) return;
  if (whole.length === 0 && backups.length > goes.length) return;
  throw new HostkitError("run_failed", {
    what: `no good backup of ${tool} would be left in ${repository}; nothing was removed`,
    why:
      backups.length > goes.length
        ? "pgBackRest found damaged pages when it made those that would stay"
        : "all of them would go",
    next: "hostkit backup run, then hostkit backup verify; once a newer one is good, the same command again",
  });
}

function datedAhead({ backups }: ExpiryLook, { now }: ExpiryMeasure): string[] {
  const ahead = backups.filter(({ time }) => time > now + tolerance);
  return ahead.length === 0
    ? []
    : [`dated in the future: ${nameSome(ahead.map(({ label }) => label))}`];
}

/** A backup that was begun before the last time may have ended after it. */
function datedBack({ backups }: ExpiryLook, { last }: ExpiryMeasure): string[] {
  if (last === undefined) return [];
  const back = backups.filter(
    ({ label, time }) => time < last.time - day && !last.left.includes(label),
  );
  return back.length === 0
    ? []
    : [
        `not there on ${dateOf(last.time)}, and dated before it: ${nameSome(back.map(({ label }) => label))}`,
      ];
}

function moreThanScheduled(
  { tool, backups }: ExpiryLook,
  { manifest, last, now }: ExpiryMeasure,
): string[] {
  const from = last?.time ?? backups[0]?.time ?? now;
  return listBackupJobs(manifest)
    .filter((job) => job.tool === tool)
    .flatMap(({ type, schedule }) => {
      const made = backups.filter(
        (one) => one.time > from && !one.isByHand && (tool === "files" || one.type === type),
      ).length;
      const explained = Math.floor((now - from) / shortestPauseOf(schedule)) + 1 + unscheduled;
      const what = tool === "files" ? "backups" : `${nameType(type)} backups`;
      return made <= explained
        ? []
        : [
            `${made} ${what} since ${dateOf(from)}, where the schedule (${schedule}) explains ${explained} at most`,
          ];
    });
}

/** How far back one could go afterwards, against what is to be kept. */
function reachesLess(
  { tool, backups, goes }: ExpiryLook,
  { manifest, now }: ExpiryMeasure,
): string[] {
  const stays = backups.filter(({ label }) => !goes.includes(label));
  const [oldest] = stays.filter(({ type }) => type === "full" || type === "snapshot");
  if (oldest === undefined) return ["nothing would be left"];
  const meant = meantReach(manifest, tool);
  const reach = Math.max(0, now - oldest.time);
  return reach >= meant / 2
    ? []
    : [
        `what is left would reach back ${lengthOf(reach)}, where \`keep\` and the schedule mean ${lengthOf(meant)}`,
      ];
}

/** Of what stays nothing was ever restored, and of what goes something was. */
function losesProved({ backups, goes }: ExpiryLook, { proved = [] }: ExpiryMeasure): string[] {
  const known = backups.filter(({ label }) => proved.includes(label));
  const last = known.at(-1);
  if (last === undefined || known.some(({ label }) => !goes.includes(label))) return [];
  return [
    `the last one that a drill has restored would go: ${last.label}; none that stays was proved`,
  ];
}

function meantReach({ stack, backups }: Pick<Manifest, "stack" | "backups">, tool: string): number {
  const jobs = listBackupJobs({ stack, ...(backups === undefined ? {} : { backups }) });
  const [job] = jobs.filter((one) => one.tool === tool);
  const pause = shortestPauseOf(job?.schedule ?? "daily");
  if (tool === "postgres") return ((backups?.postgres?.keep.full ?? 1) - 1) * pause;
  const units: Readonly<Record<string, number>> = {
    ...{ hourly: 3600, daily: day, weekly: 7 * day, monthly: 28 * day, yearly: 365 * day },
  };
  const kept = Object.entries(backups?.files?.keep ?? {}).map(
    ([period, count]) => (Number(count) - 1) * Math.max(pause, units[period] ?? 0),
  );
  // Days are counted on: with 7 of them the daily ones reach back a week, and the others only once they are as old.
  return kept.length === 0 ? 0 : Math.min(...kept);
}

function nameType(type: string): string {
  return { full: "full", diff: "differential", incr: "incremental" }[type] ?? type;
}

function nameSome(labels: readonly string[]): string {
  const shown = labels.slice(0, 5).join(", ");
  return labels.length > 5 ? `${shown} and ${labels.length - 5} more` : shown;
}

function dateOf(time: number): string {
  return `${new Date(time * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

function lengthOf(seconds: number): string {
  if (seconds >= 2 * day) return `${Math.floor(seconds / day)} days`;
  if (seconds >= 7200) return `${Math.floor(seconds / 3600)} hours`;
  return `${Math.floor(seconds / 60)} minutes`;
}

/**
 * For a look at a repository whose hosts do not wait: what lies there and is not listed may be a backup that is being made, which
 * pgBackRest would remove.
 * @throws HostkitError run_locked
 */
export function refuseUnlisted({ repository, unlisted }: ExpiryLook, now: number): void {
  const begun = unlisted.find((label) => {
    const [, y = "", m = "", d = "", h = "", min = ""] =
      /(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)\d\d[FDI]$/.exec(label) ?? [];
    // Labels are in the host's own zone: a day more covers them all, beside the day that a backup may take.
    return !(Date.parse(`${y}-${m}-${d}T${h}:${min}Z`) / 1000 < now - 2 * day);
  });
  if (begun === undefined) return;
  throw new HostkitError("run_locked", {
    what: `${repository}: the backup ${begun} is being made, or was cut off in the last two days`,
    why: "pgBackRest would remove it, and the host is not kept from making it; nothing was removed",
    next: "without --without-host, where the host can be reached; or later",
  });
}
