import { textFacts } from "../facts/files/file.ts";
import { hashText } from "../facts/files/hash.ts";
import { idOf } from "../resources/resource.ts";
import type { ResourceId, Step } from "../resources/resource.ts";
import { asMade, ownLine, readState } from "./state.ts";
import type { Plan, PlanInput, PlannedChange } from "./types.ts";
import { dueLines, unfinishedPath } from "./unfinished.ts";

/** The ids of changes. */
export function changedIds(
  changes: readonly { readonly id: ResourceId }[],
): ReadonlySet<ResourceId> {
  return new Set(changes.map(({ id }) => id));
}

interface Drafted {
  readonly verb: string;
  readonly drafts: readonly PlannedChange[];
  /** What is not as it should be, be it in this plan or not. */
  readonly open: ReadonlySet<ResourceId>;
  /** What is owned no longer, because somebody has removed it. */
  readonly gone?: ReadonlySet<ResourceId>;
  /** Outside of the plan: what becomes due because of a change. */
  readonly dueOutside?: ReadonlyMap<ResourceId, readonly ResourceId[]>;
}

/** What a run has to know of changes besides what each does. */
export function finishPlan(
  { host, stack, stackDirectory, facts }: PlanInput,
  { verb, drafts, open, gone, dueOutside }: Drafted,
): Plan {
  const { text, owned } = readState(facts, stackDirectory);
  const behind = new Map<ResourceId, ResourceId[]>(drafts.map(({ id }) => [id, []]));
  for (const { id, waitsFor } of drafts)
    for (const before of waitsFor) behind.get(before)?.push(id);
  const changes = drafts.map((draft) => {
    const due = [draft.id, ...(behind.get(draft.id) ?? []), ...(dueOutside?.get(draft.id) ?? [])];
    return { ...draft, beginLines: `${draft.beginLines}${dueLines(due)}` };
  });
  return {
    ...{ verb, host, stack, stackDirectory },
    fingerprint: hashText(JSON.stringify(changes.map(describeForFingerprint))),
    changes,
    stateHash: text === "" ? "none" : hashText(text),
    // What was begun once and is as it should be now has been made.
    state: [...owned.values()]
      .filter((entry) => gone?.has(idOf(entry)) !== true)
      .map((entry) => ownLine(open.has(idOf(entry)) ? entry : asMade(entry)))
      .join(""),
    isUnfinished: (facts.get(textFacts, unfinishedPath(stackDirectory)) ?? "") !== "",
  };
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
