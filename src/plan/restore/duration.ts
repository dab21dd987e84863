import type { DrillRecord } from "../../facts/backups/drill.ts";
import type { RestoreFact } from "../../facts/postgres/restore.ts";
import { countSegments } from "./reach.ts";
import type { Reach } from "./reach.ts";
import type { RestoreTarget } from "./target.ts";

/** How long a copy will take, at the pace of a drill of the same repository. */
export interface RestoreDuration {
  /** Seconds to bring the backup back, and to replay its WAL; the latter is absent where the drill's pace of it is unknown. */
  readonly copy: number;
  readonly replay?: number;
  /** Segments of WAL that have to be replayed at most. */
  readonly segments: number;
  readonly drill: DrillRecord;
}

/**
 * @param records the stack's drills, oldest first
 * @param repository its name in the manifest
 * @returns undefined where no drill of the repository has brought PostgreSQL back
 */
export function estimateDuration(
  records: readonly DrillRecord[],
  repository: string,
  {
    target,
    reach,
    restore,
  }: {
    readonly target: RestoreTarget;
    readonly reach: Reach;
    readonly restore: RestoreFact;
  },
): RestoreDuration | undefined {
  const drill = records.findLast(
    (one) =>
      one.tool === "postgres" &&
      one.repository === repository &&
      one.outcome === "ok" &&
      one.restored !== undefined &&
      (one.bytes ?? 0) > 0,
  );
  if (drill === undefined) return undefined;
  const { restored = 0, replayed, bytes = 1 } = drill;
  const segments = countSegments(target, reach, restore);
  // Drills count whole seconds.
  const copy = Math.max(restored, 1) * (reach.set.bytes / bytes);
  return {
    ...{ copy, segments, drill },
    ...(replayed === undefined || drill.segments === undefined
      ? {}
      : { replay: (Math.max(replayed, 1) / Math.max(drill.segments, 1)) * segments }),
  };
}
