import { formatUtc } from "../plan/restore/moment.ts";
import type { FoundRestore } from "../plan/restore/new-host.ts";
import { formatBytes } from "./bytes.ts";
import { formatSeconds } from "./duration.ts";

/**
 * What is said before a plan that brings a stack back.
 * @param now seconds since the epoch on the host
 */
export function describeRestoreFrom(
  { choice, set, newestWal, snapshot }: FoundRestore,
  now: number,
  wants: { readonly postgres: boolean; readonly files: boolean },
): string[] {
  const kinds = { full: "full", diff: "differential", incr: "incremental" } as const;
  const when = (time: number): string =>
    `${formatUtc(time * 1000)} UTC, ${formatSeconds(Math.round(now - time))} ago`;
  return [
    `brought back from ${choice.repository}:`,
    ...(set === undefined
      ? []
      : [
          `  PostgreSQL  the ${kinds[set.type]} backup ${set.label} of ${when(set.stop)} (${formatBytes(set.bytes)}),`,
          newestWal === undefined
            ? "              and the WAL behind it, if there is any: the repository lists none"
            : `              and the WAL behind it, up to what was archived ${when(newestWal)}`,
          ...(set.hasErrors ? ["              ! pages of it were damaged when it was made"] : []),
        ]),
    ...(set === undefined && wants.postgres
      ? ["  PostgreSQL  ! nothing: its databases begin empty"]
      : []),
    ...(snapshot === undefined
      ? wants.files
        ? ["  files       ! there is no backup of files and volumes: they begin empty"]
        : []
      : [`  files       the snapshot ${snapshot.id.slice(0, 8)} of ${when(snapshot.time / 1000)}`]),
    ...(choice.files?.left ?? []).map(
      (path) => `              without ${path}: hostkit writes it, or something is there already`,
    ),
  ];
}
