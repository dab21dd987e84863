import { need } from "../facts/fact.ts";
import type { FactNeed } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/files/file.ts";
import { neighbourFacts } from "../facts/neighbours.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { claimsId, neighboursOf } from "../resources/claims.ts";
import type { ClaimsResource } from "../resources/claims.ts";
import { kindOf } from "../resources/kinds.ts";
import { idOf } from "../resources/resource.ts";
import type { Owned, Resource } from "../resources/resource.ts";
import { findClashes } from "./clashes.ts";
import { draftChanges } from "./drafts.ts";
import { finishPlan } from "./finish.ts";
import { guardsDirectory } from "./guards.ts";
import { findShut } from "./openings.ts";
import { orderResources } from "./order.ts";
import { findOrphans, planRemovals } from "./removals.ts";
import { parseState, statePath } from "./state.ts";
import type { Plan, PlanInput } from "./types.ts";
import { unfinishedIn, unfinishedPath } from "./unfinished.ts";

/** Every fact that a plan for these resources asks about. `owned`: from an earlier look at the state file, for removals. */
export function planNeeds(
  stackDirectory: string,
  resources: readonly Resource[],
  owned: Iterable<Owned> = [],
): FactNeed[] {
  return [
    need(systemFacts, systemSubject),
    need(textFacts, statePath(stackDirectory)),
    need(textFacts, unfinishedPath(stackDirectory)),
    need(fileFacts, guardsDirectory),
    need(neighbourFacts, stackDirectory),
    ...resources.flatMap((resource) => kindOf(resource).needs(resource)),
    ...[...owned].flatMap((entry) => kindOf(entry).removalNeeds?.(entry) ?? []),
  ];
}

/** The difference between what is wanted and what is there, in the order in which it can be done. */
export function makePlan(input: PlanInput): Plan {
  const { facts, stackDirectory } = input;
  const stateText = facts.get(textFacts, statePath(stackDirectory)) ?? "";
  const owned = parseState(stateText);
  const unfinished = unfinishedIn(input);
  const neighbours = neighboursOf(facts, stackDirectory);
  const ordered = orderResources(input.resources);
  const made = draftChanges({ ordered, facts, stackDirectory, owned, unfinished, neighbours });
  const removals = planRemovals(
    findOrphans(input),
    facts,
    { stackDirectory, deleteData: false },
    unfinished,
    made.map(({ id }) => id),
  );
  const claims =
    input.resources.find((resource): resource is ClaimsResource => idOf(resource) === claimsId)
      ?.claims ?? [];
  const refusals = [
    findClashes(input.stack, claims, neighbours) ?? [],
    findShut(input.stack, claims, neighbours) ?? [],
  ].flat();
  const plan = finishPlan("provision", input, [...made, ...removals], stateText, owned);
  return refusals.length === 0 ? plan : { ...plan, refusals };
}
