import type { ReleaseRecord } from "../facts/containers/releases.ts";
import { isReturnable } from "../plan/rollback.ts";
import type { Colors } from "./colors.ts";
import { formatTime } from "./duration.ts";
import { shortenImage, table } from "./status.ts";
import { plainText } from "./terminal-text.ts";

/**
 * A service's releases on one host, newest first, as a table: id, state, when, by whom, image, why.
 * @param draining ids of those that still end what they have
 */
export function renderReleases(
  records: readonly ReleaseRecord[],
  draining: ReadonlySet<string>,
  colors: Colors,
): string[] {
  return table(
    records.toReversed().map((record) => releaseRow(record, draining.has(record.id), colors)),
  );
}

function releaseRow(record: ReleaseRecord, isDraining: boolean, colors: Colors): string[] {
  const { id, service, state, image, begun, by, because, bad } = record;
  const paint = {
    serving: colors.green,
    failed: colors.red,
    withdrawn: colors.red,
    begun: colors.yellow,
    replaced: colors.dim,
  };
  return [
    service,
    id,
    paint[state](
      isDraining
        ? `still has connections, until ${formatTime(record.drains ?? 0)} UTC`
        : describeState(record),
    ),
    `${formatTime(begun)} UTC`,
    plainText(by ?? ""),
    shortenImage(image),
    colors.dim(plainText(bad === undefined ? because : `${because}; ${bad}`)),
  ];
}

function describeState(record: ReleaseRecord): string {
  if (isReturnable(record)) return "can be gone back to";
  if (record.state === "withdrawn") return "taken back";
  const isWatched = record.watch === undefined || record.watched === true;
  return record.state === "serving" && !isWatched
    ? "serving, not watched to the end"
    : record.state;
}
