import type { BackupSet, RestoreFact, TimelineSwitch } from "../../facts/postgres/restore.ts";
import type { RestorePoint } from "../../facts/postgres/restore-points.ts";
import type { RestoreTarget } from "./target.ts";

/** How far a backup can be taken forward by the WAL that is archived. */
export interface Reach {
  readonly set: BackupSet;
  /** Seconds since the epoch: the youngest moment that it leads to. */
  readonly until: number;
  /** Nothing of the archive is behind it: what is written now can be archived, and be reached too. */
  readonly isOpen: boolean;
  /** The last segment without a hole before it. */
  readonly lastWal: string;
}

/** A span of time that can be had, in seconds since the epoch. */
export interface Span {
  readonly from: number;
  readonly until: number;
}

/** Timelines that the cluster's data came along, and the number of the segment from which on each of them counts. */
type Chain = readonly { readonly timeline: number; readonly from: number }[];

/**
 * What each backup of this major version leads to. Backups without their own WAL and those of a timeline that the cluster did not come
 * along (a restore that was undone) are left out.
 * @param now seconds since the epoch, where the cluster can archive what it has; absent: it cannot
 */
export function findReaches(fact: RestoreFact, major: number, now: number | undefined): Reach[] {
  const perLog = 2 ** 32 / fact.segmentBytes;
  return fact.sets
    .filter((set) => set.archive.startsWith(`${major}-`) && !set.hasErrors)
    .flatMap((set) => reachOf(set, fact, perLog, now) ?? []);
}

function reachOf(
  set: BackupSet,
  fact: RestoreFact,
  perLog: number,
  now: number | undefined,
): Reach | undefined {
  const times = new Map<string, number>();
  const chain = chainOf(fact, perLog);
  let newest = -1;
  for (const { repository, archive, name, time } of fact.archived) {
    if (repository !== set.repository || archive !== set.archive) continue;
    const { timeline, number } = readSegment(name, perLog);
    // Where nobody can say which way the data came, every timeline may be it.
    const key = chain === undefined ? String(number) : `${timeline} ${number}`;
    times.set(key, Math.max(time, times.get(key) ?? 0));
    if (chain === undefined || timelineAt(chain, number) === timeline)
      newest = Math.max(newest, number);
  }
  const first = readSegment(set.firstWal, perLog);
  const last = readSegment(set.lastWal, perLog);
  if (chain !== undefined && !isOnChain(chain, last)) return undefined;
  const timeOf = (number: number): number | undefined =>
    times.get(
      chain === undefined
        ? String(number)
        : `${number <= last.number ? last.timeline : timelineAt(chain, number)} ${number}`,
    );
  let at = first.number;
  while (timeOf(at) !== undefined) at += 1;
  at -= 1;
  if (at < last.number) return undefined;
  const isOpen = at >= newest;
  const until = isOpen && now !== undefined ? now : Math.max(set.stop, timeOf(at) ?? 0);
  const timeline = chain === undefined ? last.timeline : timelineAt(chain, at);
  return { set, until, isOpen, lastWal: writeSegment(timeline, at, perLog) };
}

function chainOf({ timeline, history }: RestoreFact, perLog: number): Chain | undefined {
  if (timeline === undefined) return undefined;
  const before = history.filter((one) => one.timeline < timeline);
  return [...before.map((one) => one.timeline), timeline].map((one, index) => ({
    timeline: one,
    from: index === 0 ? 0 : segmentOf(before[index - 1] as TimelineSwitch, perLog),
  }));
}

function timelineAt(chain: Chain, number: number): number {
  return chain.findLast(({ from }) => from <= number)?.timeline ?? 1;
}

/** Also where the backup ended in the very segment in which the timeline was left. */
function isOnChain(chain: Chain, last: { timeline: number; number: number }): boolean {
  const index = chain.findIndex(({ timeline }) => timeline === last.timeline);
  const next = chain[index + 1];
  return index >= 0 && (next === undefined || last.number <= next.from);
}

/** `0000000100000002000000FE`: timeline, log, segment in it (src/include/access/xlog_internal.h, XLogFromFileName). */
function readSegment(name: string, perLog: number): { timeline: number; number: number } {
  const part = (at: number): number => Number.parseInt(name.slice(at, at + 8), 16);
  return { timeline: part(0), number: part(8) * perLog + part(16) };
}

function writeSegment(timeline: number, number: number, perLog: number): string {
  return [timeline, Math.floor(number / perLog), number % perLog]
    .map((part) => part.toString(16).toUpperCase().padStart(8, "0"))
    .join("");
}

function segmentOf({ lsn }: TimelineSwitch, perLog: number): number {
  const [high = "0", low = "0"] = lsn.split("/");
  return (
    Number.parseInt(high, 16) * perLog + Math.floor(Number.parseInt(low, 16) / (2 ** 32 / perLog))
  );
}

/** How many segments of WAL are replayed on the way to the target; at most, where only the WAL itself tells. */
export function countSegments(target: RestoreTarget, reach: Reach, fact: RestoreFact): number {
  const perLog = 2 ** 32 / fact.segmentBytes;
  const numberOf = (name: string): number => readSegment(name, perLog).number;
  const first = numberOf(reach.set.firstWal);
  const whole = numberOf(reach.set.lastWal);
  let last = target.kind === "immediate" ? whole : numberOf(reach.lastWal);
  // The first one that was archived after the moment holds it.
  if (target.kind === "time")
    for (const { repository, archive, name, time } of fact.archived) {
      const isOwn = repository === reach.set.repository && archive === reach.set.archive;
      if (isOwn && time * 1000 >= target.milliseconds) last = Math.min(last, numberOf(name));
    }
  return Math.max(last, whole) - first + 1;
}

/** What can be had in all: spans that do not touch, the oldest first. */
export function spansOf(reaches: readonly Reach[]): Span[] {
  const spans: Span[] = [];
  const sorted = reaches
    .map(({ set, until }) => ({ from: set.stop, until }))
    .sort((left, right) => left.from - right.from);
  for (const span of sorted) {
    const last = spans.at(-1);
    if (last !== undefined && span.from <= last.until)
      spans[spans.length - 1] = { from: last.from, until: Math.max(last.until, span.until) };
    else spans.push(span);
  }
  return spans;
}

/**
 * The backup to begin with: the newest that is not behind the target; of two equal ones that in the first repository.
 * For a transaction or a restore point: the newest full one.
 * @param isAnySet somebody has named it
 * @returns undefined where no backup leads there
 */
export function chooseReach(
  target: RestoreTarget,
  reaches: readonly Reach[],
  isAnySet = false,
): Reach | undefined {
  const fitting = reaches.filter(({ set, until }) => {
    if (target.kind === "time")
      return set.stop * 1000 <= target.milliseconds && target.milliseconds <= (until + 1) * 1000;
    if (target.kind === "name" && target.point !== undefined)
      return leadsTo({ set, until }, target.point);
    if (target.kind === "lsn" && set.stopLsn !== undefined)
      return compareLsn(set.stopLsn, target.value) <= 0;
    // Nobody knows when it was; the backup that a restore makes before it begins is behind what a second try looks for.
    if (target.kind === "xid" || target.kind === "name") return isAnySet || set.type === "full";
    return true;
  });
  return fitting.sort(
    (left, right) =>
      (target.kind === "latest" ? right.until - left.until : 0) ||
      right.set.stop - left.set.stop ||
      left.set.repository - right.set.repository,
  )[0];
}

/** Whether a backup is before the point and its WAL goes on beyond it. */
export function leadsTo(
  { set, until }: Pick<Reach, "set" | "until">,
  { lsn, time }: Pick<RestorePoint, "lsn" | "time">,
): boolean {
  const isBefore = set.stopLsn === undefined ? set.stop <= time : compareLsn(set.stopLsn, lsn) <= 0;
  return isBefore && time <= until + 1;
}

/** Below 0: the left one comes first. */
export function compareLsn(left: string, right: string): number {
  const [a, b] = [left, right].map((lsn) =>
    lsn.split("/").map((part) => Number.parseInt(part, 16)),
  );
  return (a?.[0] ?? 0) - (b?.[0] ?? 0) || (a?.[1] ?? 0) - (b?.[1] ?? 0);
}
