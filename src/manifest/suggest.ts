import { closestMatch } from "leven";

/** The candidate somebody probably meant: about a third of its letters may differ. */
export function suggest(written: string, candidates: Iterable<string>): string | undefined {
  const lower = written.toLowerCase();
  const list = [...candidates];
  const same = list.find((candidate) => candidate.toLowerCase() === lower);
  if (same !== undefined) return same === written ? undefined : same;
  if (written.length > 64) return undefined;
  const swapped = list.find((candidate) => sortLetters(candidate) === sortLetters(lower));
  if (swapped !== undefined) return swapped;
  return closestMatch(written, list, { maxDistance: Math.ceil(written.length / 3) });
}

function sortLetters(word: string): string {
  return [...word].sort().join("");
}
