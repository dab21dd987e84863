import type { RestoreFact } from "../../facts/postgres/restore.ts";
import type { RestorePoint } from "../../facts/postgres/restore-points.ts";
import { compareLsn, leadsTo } from "./reach.ts";
import type { Reach } from "./reach.ts";

/** Those that a backup and the WAL behind it lead to, the newest first. */
export function listReachablePoints(
  points: readonly RestorePoint[],
  reaches: readonly Reach[],
  fact: Pick<RestoreFact, "timeline" | "history">,
): RestorePoint[] {
  return points
    .filter((point) => isOnTheWay(point, fact) && reaches.some((reach) => leadsTo(reach, point)))
    .toReversed();
}

/** Not on a timeline that a restore left, behind the place where it was left. */
function isOnTheWay(
  { segment, lsn }: RestorePoint,
  { timeline, history }: Pick<RestoreFact, "timeline" | "history">,
): boolean {
  const own = Number.parseInt(segment.slice(0, 8), 16);
  if (timeline === undefined || own === timeline) return true;
  const left = history.find((one) => one.timeline === own);
  return left !== undefined && compareLsn(lsn, left.lsn) <= 0;
}
