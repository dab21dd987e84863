import type { Facts } from "../facts/fact.ts";
import { othersWith } from "../facts/neighbours.ts";
import type { Neighbour } from "../facts/neighbours.ts";
import { claimsId, givesWay } from "../resources/claims.ts";
import { answersOf, kindOf } from "../resources/kinds.ts";
import { idOf } from "../resources/resource.ts";
import type { Change, Owned, OwnContext, Resource, ResourceId } from "../resources/resource.ts";
import { beginLine, disownLine, isMade, ownLine } from "./state.ts";
import type { PlannedChange } from "./types.ts";

/** What the changes of a plan are worked out from. */
export interface DraftInput {
  /** All that is wanted; each behind its `after`. */
  readonly ordered: readonly Resource[];
  readonly facts: Facts;
  readonly stackDirectory: string;
  /** What the state file says. */
  readonly owned: ReadonlyMap<ResourceId, Owned>;
  readonly unfinished: ReadonlySet<ResourceId>;
  readonly neighbours: readonly Neighbour[];
}

/**
 * What has to be done to each resource, in their order; `beginLines` lack what waits for them.
 * @param isMeant resources that are to be looked at; others are taken as they are
 */
export function draftChanges(
  input: DraftInput,
  isMeant: (id: ResourceId) => boolean = () => true,
): PlannedChange[] {
  const changed = new Set<ResourceId>();
  /** For each resource: the changed resources that it directly or indirectly stands behind (nearest ones). */
  const nearest = new Map<ResourceId, ReadonlySet<ResourceId>>();
  const changes: PlannedChange[] = [];
  /** Lines for what another stack has made, be it as this one would: whoever is last takes it away. */
  const adopted: string[] = [];
  for (const resource of input.ordered) {
    const id = idOf(resource);
    const waitsFor = new Set<ResourceId>();
    for (const before of resource.after ?? []) {
      if (changed.has(before)) waitsFor.add(before);
      else for (const further of nearest.get(before) ?? []) waitsFor.add(further);
    }
    nearest.set(id, waitsFor);
    if (!isMeant(id)) continue;
    const { change, adopts } = draftOne(input, resource, changed, [...waitsFor]);
    if (adopts !== undefined) adopted.push(adopts);
    if (change === undefined) continue;
    changed.add(id);
    changes.push(change);
  }
  const [claiming] = changes;
  if (claiming?.id === claimsId)
    changes[0] = { ...claiming, stateLine: claiming.stateLine + adopted.join("") };
  return changes;
}

function draftOne(
  { facts, stackDirectory, owned, unfinished, neighbours }: DraftInput,
  resource: Resource,
  changed: ReadonlySet<ResourceId>,
  waitsFor: readonly ResourceId[],
): { readonly change?: PlannedChange; readonly adopts?: string } {
  const id = idOf(resource);
  const kind = kindOf(resource);
  const before = owned.get(id);
  const isElsewhere = othersWith(neighbours, id).length > 0;
  const isOwned = isMade(before) || isElsewhere;
  const isUnfinished = unfinished.has(id);
  const known = before === undefined ? {} : { owned: before };
  const isLeft =
    resource.shared === "default" && givesWay(kind.claims?.(resource) ?? [], neighbours);
  const context = { stackDirectory, changed, isOwned, isUnfinished, ...known };
  const change = isLeft ? undefined : kind.diff(resource, facts, context);
  const own = ownedBy(resource, { facts, ...known });
  if (change === undefined)
    return own !== undefined && before === undefined && isElsewhere ? { adopts: ownLine(own) } : {};
  return {
    change: {
      ...change,
      ...answersOf(resource),
      ...(resource.heading === undefined ? {} : { heading: resource.heading }),
      waitsFor,
      beginLines: own === undefined ? "" : beginLine(own, isOwned ? "again" : "new"),
      stateLine: stateLineOf(change, own, before),
    },
  };
}

/** What is wanted away is hostkit's no more: the next thing in its place is somebody else's. */
function stateLineOf(
  { action }: Pick<Change, "action">,
  own: Owned | undefined,
  before: Owned | undefined,
): string {
  if (own !== undefined) return ownLine(own);
  return action === "delete" && before !== undefined ? disownLine(before) : "";
}

/** What the state file remembers of a resource: enough to take it away, in the right order. */
function ownedBy(resource: Resource, context: OwnContext): Owned | undefined {
  const own = kindOf(resource).own(resource, context);
  if (own === undefined || resource.after === undefined) return own;
  return { ...own, after: resource.after };
}
