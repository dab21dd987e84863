import type { RunEvent } from "../plan/events.ts";

/** A run of an older version does not say more than that it was taken back. */
export function describeReverted(state: "back" | "stuck" | undefined): string {
  return state === "stuck"
    ? "could NOT be put back: the old state is not there"
    : "the host put the old state back";
}

const guardWords = {
  reverted: "was not confirmed; the old state was put back, and is there",
  kept: "was confirmed; it stays",
  unarmed: "had not changed anything yet",
  stuck: "was not confirmed and could NOT be put back: the old state is not there",
} as const;

/** What became of the guard that an earlier run left. */
export function describeGuard({ id, of, state }: Extract<RunEvent, { event: "guard" }>): string {
  return `${id}, begun by run ${of} that did not end: ${guardWords[state]}`;
}

/** `exit 1`, or that it was ended. */
export function describeEnd({
  code,
  expired,
}: {
  readonly code?: number;
  readonly expired?: number;
}): string {
  return expired === undefined ? `exit ${code ?? 1}` : `did not end within ${expired} s`;
}
