import type { ReleaseRecord } from "../facts/containers/releases.ts";
import { isReturnable } from "../plan/rollback.ts";
import type { Colors } from "./colors.ts";
import { formatTime } from "./duration.ts";
import { shortenImage, table } from "./status.ts";
import { plainText } from "./terminal-text.ts";

/** A service's releases on one host, newest first, as a table: id, state, when, by whom, image, why. */
export function renderReleases(records: readonly ReleaseRecord[], colors: Colors): string[] {
  return table(records.toReversed().map((record) => releaseRow(record, colors)));
}

function releaseRow(record: ReleaseRecord, colors: Colors): string[] {
  const { id, service, state, image, begun, by, because } = record;
  const paint = {
    serving: colors.green,
    failed: colors.red,
    begun: colors.yellow,
    replaced: colors.dim,
  };
  return [
    service,
    id,
    paint[state](isReturnable(record) ? "can be gone back to" : state),
    `${formatTime(begun)} UTC`,
    plainText(by ?? ""),
    shortenImage(image),
    colors.dim(plainText(because)),
  ];
}
