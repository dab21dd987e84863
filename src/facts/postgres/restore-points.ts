/** A named place in the WAL, as the host wrote it down when a run made it. */
export interface RestorePoint {
  readonly name: string;
  /** Seconds since the epoch, with parts of them. */
  readonly time: number;
  readonly lsn: string;
  /** The WAL segment it is in, whose name says the timeline. */
  readonly segment: string;
  /** What the run was about to do. */
  readonly why: string;
}

/** Where a stack's restore points are written down, the newest last; in the stack's folder. */
export const restorePointsFile = "restore/points";

/** A line of that file; nothing for what is none. */
export function readRestorePoint(line: string): RestorePoint[] {
  const match = /^(\d+(?:\.\d+)?) ([0-9A-F]+\/[0-9A-F]+) ([0-9A-F]{24}) (\S+) ?(.*)$/.exec(line);
  if (match === null) return [];
  const [, time, lsn = "", segment = "", name = "", why = ""] = match;
  return [{ name, time: Number(time), lsn, segment, why }];
}
