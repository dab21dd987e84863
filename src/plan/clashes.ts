import type { ErrorParts } from "../errors.ts";
import { othersWith } from "../facts/neighbours.ts";
import type { Claim, Neighbour } from "../facts/neighbours.ts";
import { findClash } from "../resources/claims.ts";

/** What this stack and another one of the host both want, and only one can have. */
export function findClashes(
  stack: string,
  claims: readonly Claim[],
  neighbours: readonly Neighbour[],
): ErrorParts | undefined {
  const clashes = claims.flatMap((ours) =>
    othersWith(neighbours, ours.thing).flatMap(
      ({ neighbour, claim }) => findClash(ours, claim, neighbour) ?? [],
    ),
  );
  if (clashes.length === 0) return undefined;
  const hasOld = neighbours.some(({ isOld }) => isOld === true);
  return {
    what: `stack ${stack} wants what another stack on this host has`,
    why: "what the host has once belongs to one stack; nothing was changed",
    details: [...new Set(clashes)],
    next: hasOld
      ? "provision the other stack once with this hostkit, then this one again"
      : "change the name, port or value in one of the two manifests",
  };
}
