import type { Growing } from "../stack/backups/growing.ts";
import { formatSeconds } from "./duration.ts";

/** `offsite grows: old backups were removed 40 days ago`. @param now seconds since the epoch */
export function describeGrowing({ repository, expired }: Growing, now: number): string {
  const since =
    expired === undefined
      ? "were never removed"
      : `were removed ${formatSeconds(now - expired)} ago`;
  return `${repository} grows: old backups ${since}`;
}
