import type { Facts } from "../facts/fact.ts";
import { leaveToOthers, neighboursOf } from "../resources/claims.ts";
import { answersOf, kindOf } from "../resources/kinds.ts";
import { idOf } from "../resources/resource.ts";
import type { Owned, RemoveContext, ResourceId } from "../resources/resource.ts";
import { finishPlan, changedIds } from "./finish.ts";
import { disownLine, ownLine, readState } from "./state.ts";
import type { Plan, PlanInput, PlannedChange } from "./types.ts";
import { unfinishedIn } from "./unfinished.ts";

/** What hostkit owns on the host but the resources no longer name. */
export function findOrphans(
  input: Pick<PlanInput, "resources" | "facts" | "stackDirectory">,
): Owned[] {
  const desired = new Set(input.resources.map(idOf));
  const { owned } = readState(input.facts, input.stackDirectory);
  return [...owned.values()].filter((entry) => !desired.has(idOf(entry)));
}

/** Orphans that somebody has removed by hand already, and that no removal is planned for: whatever has the name next is not hostkit's. */
export function findGone(
  orphans: readonly Owned[],
  removals: readonly PlannedChange[],
  facts: Facts,
): ReadonlySet<ResourceId> {
  const planned = changedIds(removals);
  return new Set(
    orphans
      .filter((entry) => !planned.has(idOf(entry)) && kindOf(entry).isGone?.(entry, facts) === true)
      .map(idOf),
  );
}

/** A plan that takes away everything hostkit owns on the host. */
export function makeRemovalPlan(input: PlanInput & { readonly deleteData: boolean }): Plan {
  const { facts, stackDirectory, deleteData } = input;
  const entries = [...readState(facts, stackDirectory).owned.values()];
  const unfinished = unfinishedIn(input);
  const changes = planRemovals(entries, facts, { stackDirectory, deleteData }, unfinished, []);
  const removed = new Set(changes.filter(({ action }) => action === "delete").map(({ id }) => id));
  const isKept = entries.some(
    (entry) =>
      !removed.has(idOf(entry)) &&
      kindOf(entry).remove(entry, facts, {
        stackDirectory,
        deleteData: true,
        isUnfinished: false,
      }) !== undefined,
  );
  return {
    ...finishPlan(input, { verb: "uninstall", drafts: changes, open: changedIds(changes) }),
    cleanup: isKept ? "keep" : "all",
  };
}

/** Whoever waited for something goes before it; otherwise the youngest goes first. */
function orderRemovals(entries: readonly Owned[]): Owned[] {
  const byId = new Map<ResourceId, Owned>(entries.map((entry) => [idOf(entry), entry]));
  const visited = new Set<ResourceId>();
  const ordered: Owned[] = [];
  const visit = (entry: Owned): void => {
    if (visited.has(idOf(entry))) return;
    visited.add(idOf(entry));
    for (const before of entry.after ?? []) {
      const found = byId.get(before);
      if (found !== undefined) visit(found);
    }
    ordered.push(entry);
  };
  for (const entry of entries) visit(entry);
  return ordered.reverse();
}

/** Removals run one after another, the youngest first, behind everything else. */
export function planRemovals(
  entries: readonly Owned[],
  facts: Facts,
  context: Pick<RemoveContext, "stackDirectory" | "deleteData">,
  unfinished: ReadonlySet<ResourceId>,
  behind: readonly ResourceId[],
): PlannedChange[] {
  const removals: PlannedChange[] = [];
  const { stackDirectory } = context;
  const neighbours = neighboursOf(facts, stackDirectory);
  let waitsFor = behind;
  for (const entry of orderRemovals(entries)) {
    const isUnfinished = unfinished.has(idOf(entry));
    const kind = kindOf(entry);
    const change =
      (kind.removesOwnPart === true
        ? undefined
        : leaveToOthers(entry, neighbours, facts, stackDirectory)) ??
      kind.remove(entry, facts, { ...context, isUnfinished });
    if (change === undefined) continue;
    // What is only locked (a role whose data stays) is still hostkit's to take away one day.
    const stateLine = change.action === "delete" ? disownLine(entry) : ownLine(entry);
    removals.push({ ...change, ...answersOf(entry), waitsFor, beginLines: "", stateLine });
    waitsFor = [change.id];
  }
  return removals;
}
