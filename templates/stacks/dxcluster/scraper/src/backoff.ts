/**
 * Seconds to wait before the next attempt: doubled each time up to the limit, and anywhere in the upper half of
 * that, so that many scrapers do not call a node back in step.
 * @param attempt 0 for the first retry
 * @param chance from 0 to 1
 */
export function backoffSeconds(attempt: number, limit: number, chance: number): number {
  const full = Math.min(limit, 2 ** Math.min(attempt, 20));
  return full / 2 + (full / 2) * chance;
}
