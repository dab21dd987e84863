import { formatBytes } from "./bytes.ts";
import type { Colors } from "./colors.ts";
import { plainText } from "./terminal-text.ts";
import { table } from "./status.ts";

/** One thing that goes, or went, or stayed after all. */
export interface CleaningEntry {
  readonly kind: string;
  readonly name: string;
  readonly because: string;
  readonly bytes: number;
  /** Absent before it was tried: why it stays, "" where it went. */
  readonly stays?: string;
}

/** What goes from one place: this machine, or a host. */
export interface CleaningPlace {
  readonly place: string;
  readonly entries: readonly CleaningEntry[];
}

/** Bytes of all that goes, or went. */
export function sumOf(entries: readonly CleaningEntry[]): number {
  return entries.reduce((sum, { bytes, stays = "" }) => (stays === "" ? sum + bytes : sum), 0);
}

export function renderCleaning(place: CleaningPlace, colors: Colors): string {
  const { bold, dim } = colors;
  if (place.entries.length === 0) return `${bold(place.place)}: nothing to clean`;
  const rows = place.entries.map(({ name, because, bytes }) => [
    plainText(name),
    formatBytes(bytes),
    dim(because),
  ]);
  return [`${bold(place.place)}: about ${formatBytes(sumOf(place.entries))}`, ...table(rows)].join(
    "\n",
  );
}

export function renderCleaned({ place, entries }: CleaningPlace, colors: Colors): string {
  const stayed = entries.filter(({ stays = "" }) => stays !== "");
  return [
    `${colors.green("✓")} ${place}: about ${formatBytes(sumOf(entries))} freed`,
    ...stayed.map(
      ({ name, stays = "" }) => `  ${colors.yellow("stays")} ${plainText(`${name}: ${stays}`)}`,
    ),
  ].join("\n");
}
