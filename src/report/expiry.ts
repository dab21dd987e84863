import type { StoredBackup } from "../facts/backups/expiry.ts";
import type { ExpiryLook } from "../plan/expiry.ts";
import type { Colors } from "./colors.ts";
import { formatTime } from "./duration.ts";
import { table } from "./status.ts";
import { plainText } from "./terminal-text.ts";

/** `offsite, PostgreSQL` */
export function nameKept({ repository, tool }: Pick<ExpiryLook, "repository" | "tool">): string {
  return `${repository}, ${tool === "postgres" ? "PostgreSQL" : "files"}`;
}

/** What goes and what stays of one tool's backups in a repository, and what speaks against it. */
export function describeExpiry(
  look: ExpiryLook,
  doubts: readonly string[],
  colors: Colors,
): string[] {
  const { backups, goes, unlisted } = look;
  const leaving = backups.filter(({ label }) => goes.includes(label));
  const stays = backups.filter(({ label }) => !goes.includes(label));
  const head =
    leaving.length === 0
      ? `nothing to remove, ${countBackups(stays.length)} there`
      : `${leaving.length} of ${countBackups(backups.length)} ${leaving.length === 1 ? "goes" : "go"}`;
  return [
    `${colors.bold(nameKept(look))}: ${head}`,
    ...table([
      ...leaving.map((one) => row(colors.red("-"), one)),
      ...(leaving.length === 0 ? [] : stays.map((one) => row(colors.green("="), one))),
    ]),
    ...unlisted.map(
      (label) =>
        `  ${colors.red("-")}  ${plainText(label)}  is not in pgBackRest's list: a backup that was cut off`,
    ),
    ...doubts.map((doubt) => `  ${colors.yellow("!")}  ${plainText(doubt)}`),
  ];
}

/** What is left after it. */
export function describeLeft({ backups, ...about }: ExpiryLook, colors: Colors): string {
  const [oldest] = backups;
  const newest = backups.at(-1);
  const reach =
    oldest === undefined || newest === undefined
      ? ""
      : `, from ${formatTime(oldest.time)} to ${formatTime(newest.time)} UTC`;
  return `${colors.green("✓")} ${nameKept(about)}: ${countBackups(backups.length)} left${reach}`;
}

function countBackups(count: number): string {
  return `${count} backup${count === 1 ? "" : "s"}`;
}

function row(mark: string, { type, time, label }: StoredBackup): string[] {
  return [mark, `${formatTime(time)} UTC`, type, plainText(label)];
}
