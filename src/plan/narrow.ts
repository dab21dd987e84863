import { isClaims, narrowClaims } from "../resources/claims.ts";
import type { Resource, ResourceId } from "../resources/resource.ts";
import { draftChanges } from "./drafts.ts";
import type { DraftInput } from "./drafts.ts";
import { changedIds } from "./finish.ts";
import { resolveScope } from "./scope.ts";
import type { Scope } from "./scope.ts";
import type { PlannedChange, PlannedPart } from "./types.ts";

interface Narrowed {
  readonly part: PlannedPart;
  readonly meant: readonly PlannedChange[];
  /** What is wanted, with the claims of the scope alone. */
  readonly resources: readonly Resource[];
  /** By change: ids outside that become due with it. */
  readonly dueOutside: ReadonlyMap<ResourceId, readonly ResourceId[]>;
}

/** Of each change the forgotten ones that wait for it. */
function findDueOutside(
  meant: readonly Pick<PlannedChange, "id">[],
  forgotten: readonly PlannedChange[],
): Narrowed["dueOutside"] {
  return new Map(
    meant.map(({ id }) => [
      id,
      forgotten.filter(({ waitsFor }) => waitsFor.includes(id)).map((change) => change.id),
    ]),
  );
}

/**
 * Of a plan for all that is wanted, what a scope may touch.
 * @param whole its changes
 * @param removals how many of what is no longer wanted it would take away
 */
export function narrow(
  scope: Scope,
  look: DraftInput,
  whole: readonly PlannedChange[],
  removals: number,
): Narrowed {
  const { ids, reasons, left } = resolveScope(scope, look.ordered, look.facts, whole);
  const isMeant = (id: ResourceId): boolean => ids.has(id);
  const resources = look.ordered.map((resource) =>
    isClaims(resource) ? narrowClaims(resource, look.facts, isMeant) : resource,
  );
  const meant = draftChanges({ ...look, ordered: resources }, isMeant).map((change) => {
    const because = reasons.get(change.id);
    return because === undefined ? change : { ...change, inScopeBecause: because };
  });
  const forgotten = findForgotten(look, whole, isMeant);
  const inPlan = changedIds(meant);
  const waiting = whole.filter(({ id }) => !inPlan.has(id));
  return {
    resources,
    meant,
    dueOutside: findDueOutside(meant, forgotten),
    part: {
      label: scope.label,
      services: scope.services,
      waiting: { changes: waiting.length, removals },
      left,
      due: [
        ...new Set([
          ...[...look.unfinished].filter((id) => !isMeant(id)),
          ...forgotten.map(({ id }) => id),
        ]),
      ],
    },
  };
}

/** Changes outside that are needed because of one inside, which the next look would not see any more. */
function findForgotten(
  look: DraftInput,
  whole: readonly PlannedChange[],
  isMeant: (id: ResourceId) => boolean,
): PlannedChange[] {
  const without = new Map(
    draftChanges(look, (id) => !isMeant(id)).map(({ id, because }) => [id, because]),
  );
  return whole.filter(({ id, because }) => !isMeant(id) && without.get(id) !== because);
}
