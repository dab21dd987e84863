import { closestMatch } from "leven";

/** The candidate somebody probably meant: at most a third of the letters differ, at least one may. */
export function suggest(written: string, candidates: Iterable<string>): string | undefined {
  const lower = written.toLowerCase();
  const list = [...candidates];
  const same = list.find((candidate) => candidate.toLowerCase() === lower);
  if (same !== undefined) return same === written ? undefined : same;
  if (written.length > 64) return undefined;
  return closestMatch(written, list, { maxDistance: Math.max(1, Math.floor(written.length / 3)) });
}
