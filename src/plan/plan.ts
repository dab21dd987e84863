import type { ErrorParts } from "../errors.ts";
import { need } from "../facts/fact.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/files/file.ts";
import { hashText } from "../facts/files/hash.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { neighbourFacts, othersWith } from "../facts/neighbours.ts";
import type { Claim, Neighbour } from "../facts/neighbours.ts";
import { claimsId, findClash, givesWay, leaveToOthers, neighboursOf } from "../resources/claims.ts";
import type { ClaimsResource } from "../resources/claims.ts";
import { kindOf } from "../resources/kinds.ts";
import { idOf } from "../resources/resource.ts";
import type {
  Change,
  Owned,
  OwnContext,
  RemoveContext,
  Resource,
  ResourceId,
  Step,
} from "../resources/resource.ts";
import { guardsDirectory } from "./guards.ts";
import { findShut } from "./openings.ts";
import { orderResources } from "./order.ts";
import { asMade, beginLine, disownLine, isMade, ownLine, parseState, statePath } from "./state.ts";
import { dueLines, parseUnfinished, unfinishedPath } from "./unfinished.ts";

/** A change in its place: what it waits for within the plan, and what the state file says afterwards. */
export interface PlannedChange extends Change {
  readonly waitsFor: readonly ResourceId[];
  /** What is written down before it begins: that it is hostkit's, and what is due because of it; "" for nothing. */
  readonly beginLines: string;
  /** Line for the state file when it is done; "" for none. */
  readonly stateLine: string;
  /** What waits for it goes on when it fails. */
  readonly mayFail?: true;
}

/** A change before it is known what waits for it: `beginLines` lacks those ids. */
type DraftChange = PlannedChange;

export interface Plan {
  /** What somebody asked for: "provision", "backup run". */
  readonly verb: string;
  /** The manifest's name of the host. */
  readonly host: string;
  readonly stack: string;
  readonly stackDirectory: string;
  /** SHA-256 over all that would be done (secrets left out): the same plan has the same fingerprint. */
  readonly fingerprint: string;
  readonly changes: readonly PlannedChange[];
  /** SHA-256 of the state file the plan was made from; the run refuses to start from another. "any": it does not matter. */
  readonly stateHash: string;
  /** The state file, compacted. */
  readonly state: string;
  /** An earlier run left marks of what it did not end; a run without changes takes them away. */
  readonly isUnfinished: boolean;
  /**
   * After a removal: folders that hostkit made are removed when empty; "all" also removes the stack's own folder,
   * "keep" leaves it because data stays that it remembers. Absent for an ordinary plan.
   */
  readonly cleanup?: "all" | "keep";
  /** What cannot be done on this host, found before anything is touched. */
  readonly refusals?: readonly ErrorParts[];
}

/** What a plan is made from. */
export interface PlanInput {
  readonly host: string;
  readonly stack: string;
  readonly stackDirectory: string;
  readonly resources: readonly Resource[];
  readonly facts: Facts;
}

export { stackDirectoryOf } from "../stack/names.ts";

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

/** What hostkit owns on the host but the resources no longer name. */
export function findOrphans(
  input: Pick<PlanInput, "resources" | "facts" | "stackDirectory">,
): Owned[] {
  const desired = new Set(input.resources.map(idOf));
  const owned = parseState(input.facts.get(textFacts, statePath(input.stackDirectory)) ?? "");
  return [...owned.values()].filter((entry) => !desired.has(idOf(entry)));
}

/** The difference between what is wanted and what is there, in the order in which it can be done. */
export function makePlan(input: PlanInput): Plan {
  const { facts, stackDirectory } = input;
  const stateText = facts.get(textFacts, statePath(stackDirectory)) ?? "";
  const owned = parseState(stateText);
  const unfinished = unfinishedIn(input);
  const neighbours = neighboursOf(facts, stackDirectory);
  const ordered = orderResources(input.resources);
  const changed = new Set<ResourceId>();
  /** For each resource: the changed resources that it directly or indirectly stands behind (nearest ones). */
  const nearest = new Map<ResourceId, ReadonlySet<ResourceId>>();
  const changes: DraftChange[] = [];
  /** Lines for what another stack has made, be it as this one would: whoever is last takes it away. */
  const adopted: string[] = [];
  for (const resource of ordered) {
    const id = idOf(resource);
    const kind = kindOf(resource);
    const waitsFor = new Set<ResourceId>();
    for (const before of resource.after ?? []) {
      if (changed.has(before)) waitsFor.add(before);
      else for (const further of nearest.get(before) ?? []) waitsFor.add(further);
    }
    nearest.set(id, waitsFor);
    const before = owned.get(id);
    const isElsewhere = othersWith(neighbours, id).length > 0;
    const isOwned = isMade(before) || isElsewhere;
    const known = before === undefined ? {} : { owned: before };
    const isUnfinished = unfinished.has(id);
    const isLeft =
      resource.shared === "default" && givesWay(kind.claims?.(resource) ?? [], neighbours);
    const context = { stackDirectory, changed, isOwned, isUnfinished, ...known };
    const change = isLeft ? undefined : kind.diff(resource, facts, context);
    const own = ownedBy(resource, { facts, ...known });
    if (change === undefined) {
      if (own !== undefined && before === undefined && isElsewhere) adopted.push(ownLine(own));
      continue;
    }
    changed.add(id);
    changes.push({
      ...change,
      waitsFor: [...waitsFor],
      beginLines: own === undefined ? "" : beginLine(own, isOwned ? "again" : "new"),
      stateLine: own === undefined ? "" : ownLine(own),
    });
  }
  const [claiming] = changes;
  if (claiming?.id === claimsId)
    changes[0] = { ...claiming, stateLine: claiming.stateLine + adopted.join("") };
  changes.push(
    ...planRemovals(
      findOrphans(input),
      facts,
      { stackDirectory, deleteData: false },
      unfinished,
      changes.map((change) => change.id),
    ),
  );
  const claims =
    input.resources.find((resource): resource is ClaimsResource => idOf(resource) === claimsId)
      ?.claims ?? [];
  const refusals = [
    findClashes(input.stack, claims, neighbours) ?? [],
    findShut(input.stack, claims, neighbours) ?? [],
  ].flat();
  const plan = finishPlan("provision", input, changes, stateText, owned);
  return refusals.length === 0 ? plan : { ...plan, refusals };
}

/** What this stack and another one of the host both want, and only one can have. */
function findClashes(
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

/** A plan that takes away everything hostkit owns on the host. */
export function makeRemovalPlan(input: PlanInput & { readonly deleteData: boolean }): Plan {
  const stateText = input.facts.get(textFacts, statePath(input.stackDirectory)) ?? "";
  const owned = parseState(stateText);
  const { facts, stackDirectory, deleteData } = input;
  const entries = [...owned.values()];
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
    ...finishPlan("uninstall", input, changes, stateText, owned),
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
function planRemovals(
  entries: readonly Owned[],
  facts: Facts,
  context: Pick<RemoveContext, "stackDirectory" | "deleteData">,
  unfinished: ReadonlySet<ResourceId>,
  behind: readonly ResourceId[],
): DraftChange[] {
  const removals: DraftChange[] = [];
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
    const stateLine = change.action === "delete" ? disownLine(change.id) : ownLine(entry);
    removals.push({ ...change, waitsFor, beginLines: "", stateLine });
    waitsFor = [change.id];
  }
  return removals;
}

function finishPlan(
  verb: string,
  input: PlanInput,
  drafts: readonly DraftChange[],
  stateText: string,
  owned: ReadonlyMap<ResourceId, Owned>,
): Plan {
  const behind = new Map<ResourceId, ResourceId[]>(drafts.map(({ id }) => [id, []]));
  for (const { id, waitsFor } of drafts)
    for (const before of waitsFor) behind.get(before)?.push(id);
  const changes = drafts.map((draft) => ({
    ...draft,
    beginLines: `${draft.beginLines}${dueLines([draft.id, ...(behind.get(draft.id) ?? [])])}`,
  }));
  return {
    verb,
    host: input.host,
    stack: input.stack,
    stackDirectory: input.stackDirectory,
    fingerprint: hashText(JSON.stringify(changes.map(describeForFingerprint))),
    changes,
    stateHash: stateText === "" ? "none" : hashText(stateText),
    // What was begun once and is as it should be now has been made.
    state: [...owned.values()]
      .map((entry) => ownLine(behind.has(idOf(entry)) ? entry : asMade(entry)))
      .join(""),
    isUnfinished: (input.facts.get(textFacts, unfinishedPath(input.stackDirectory)) ?? "") !== "",
  };
}

/** What the state file remembers of a resource: enough to take it away, in the right order. */
function ownedBy(resource: Resource, context: OwnContext): Owned | undefined {
  const own = kindOf(resource).own(resource, context);
  if (own === undefined || resource.after === undefined) return own;
  return { ...own, after: resource.after };
}

function unfinishedIn({
  facts,
  stackDirectory,
}: Pick<PlanInput, "facts" | "stackDirectory">): ReadonlySet<ResourceId> {
  return parseUnfinished(facts.get(textFacts, unfinishedPath(stackDirectory)) ?? "");
}

function describeForFingerprint(change: PlannedChange): unknown {
  return [
    change.id,
    change.action,
    change.because,
    change.waitsFor,
    change.steps.map(describeStep),
  ];
}

function describeStep(step: Step): unknown {
  if (step.type === "script") return [step.script.text];
  const { content } = step;
  const digest =
    "secret" in content
      ? "secret"
      : "text" in content
        ? hashText(content.text)
        : content.blob.sha256;
  return step.type === "put"
    ? [step.path, digest, step.mode, step.owner, step.group]
    : [step.as, digest];
}
