import type { KeptFact } from "../facts/backups/restore-places.ts";
import type { FileDifference } from "../plan/restore/file-difference.ts";
import type { RestorePlan } from "../plan/restore/files.ts";
import { formatBytes } from "./bytes.ts";
import type { Colors } from "./colors.ts";
import { formatTime } from "./duration.ts";
import { plainText } from "./terminal-text.ts";

/** Lines that are shown of each list. */
const shown = 10;

/** What a restore of files would do. @param time milliseconds since the epoch */
export function renderFileRestore(
  host: string,
  plan: RestorePlan,
  time: number,
  differences: readonly (FileDifference | undefined)[],
  colors: Colors,
): string {
  const { repository, snapshot, items, units, isOver } = plan;
  return [
    `${colors.bold(host)}: from the backup of ${formatTime(time / 1000)} UTC (${snapshot.id.slice(0, 8)} in ${repository})`,
    ...items.flatMap(({ path, to, count, bytes }, index) => [
      `  ${plainText(path)}${to === path ? "" : ` → ${plainText(to)}`}: ${count} name${count === 1 ? "" : "s"}, ${formatBytes(bytes)}`,
      ...(isOver ? renderDifference(differences[index], colors) : []),
    ]),
    ...(units.length === 0 ? [] : [`  stopped meanwhile: ${units.join(", ")}`]),
    ...(isOver ? ["  what stands there now is kept beside until you remove it"] : []),
  ].join("\n");
}

function renderDifference(difference: FileDifference | undefined, colors: Colors): string[] {
  if (difference === undefined) return ["    too many names to compare here"];
  const { added, changed, removed } = difference;
  if (added.length + changed.length + removed.length === 0)
    return ["    is there already, just so: by type, size, time, owner and mode nothing differs"];
  return [
    `    ${added.length} added, ${changed.length} changed, ${removed.length} removed`,
    ...list(added, (path) => colors.green(`    + ${plainText(path)}`)),
    ...list(changed, ({ path, what }) => colors.yellow(`    ~ ${plainText(path)} (${what})`)),
    ...list(removed, (path) => colors.red(`    - ${plainText(path)}`)),
  ];
}

function list<T>(entries: readonly T[], render: (entry: T) => string): string[] {
  const lines = entries.slice(0, shown).map(render);
  return entries.length > shown ? [...lines, `      and ${entries.length - shown} more`] : lines;
}

/** What was kept, and how to get rid of it. */
export function renderKept(kept: readonly KeptFact[]): string[] {
  return kept.map(
    ({ path, folder, bytes }) =>
      `  what ${plainText(path)} was before is in ${plainText(folder)} (${formatBytes(bytes)})`,
  );
}
