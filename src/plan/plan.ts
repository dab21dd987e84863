import { need } from "../facts/fact.ts";
import type { FactNeed } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/files/file.ts";
import { neighbourFacts } from "../facts/neighbours.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { isClaims, neighboursOf } from "../resources/claims.ts";
import { kindOf } from "../resources/kinds.ts";
import type { Owned, Resource } from "../resources/resource.ts";
import { findClashes } from "./clashes.ts";
import { draftChanges } from "./drafts.ts";
import type { DraftInput } from "./drafts.ts";
import { finishPlan, changedIds } from "./finish.ts";
import { guardsDirectory } from "./guards.ts";
import { narrow } from "./narrow.ts";
import { findShut } from "./openings.ts";
import { orderResources } from "./order.ts";
import { findGone, findOrphans, planRemovals } from "./removals.ts";
import { withRestorePoint } from "./restore-point.ts";
import { readState, statePath } from "./state.ts";
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

/** The difference between what is wanted and what is there, in the order in which it can be done; of a scope, its part of that. */
export function makePlan(input: PlanInput): Plan {
  const { facts, stackDirectory, scope } = input;
  const unfinished = unfinishedIn(input);
  const look: DraftInput = {
    ...{ facts, stackDirectory, unfinished },
    ordered: orderResources(input.resources),
    owned: readState(facts, stackDirectory).owned,
    neighbours: neighboursOf(facts, stackDirectory),
  };
  const made = draftChanges(look);
  const orphans = findOrphans(input);
  const removals = planRemovals(orphans, facts, { stackDirectory, deleteData: false }, unfinished, [
    ...changedIds(made),
  ]);
  const gone = findGone(orphans, removals, facts);
  const drafts = [...made, ...removals];
  if (scope === undefined) {
    const plan = finishPlan(input, { verb: "provision", drafts, open: changedIds(drafts), gone });
    return withRefusals(withRestorePoint(plan, input.resources, facts), look, input.resources);
  }
  const { part, meant, resources, dueOutside } = narrow(scope, look, made, removals.length);
  const plan = finishPlan(input, {
    verb: `provision ${scope.label}`,
    drafts: meant,
    open: changedIds(drafts),
    gone,
    dueOutside,
  });
  return withRefusals(withRestorePoint({ ...plan, part }, input.resources, facts), look, resources);
}

/** What this stack and the others of the host cannot both have. */
function withRefusals(
  plan: Plan,
  { neighbours }: DraftInput,
  resources: readonly Resource[],
): Plan {
  const claims = resources.find(isClaims)?.claims ?? [];
  const refusals = [
    findClashes(plan.stack, claims, neighbours) ?? [],
    findShut(plan.stack, claims, neighbours) ?? [],
  ].flat();
  return refusals.length === 0 ? plan : { ...plan, refusals };
}
