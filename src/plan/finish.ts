import { textFacts } from "../facts/files/file.ts";
import { hashText } from "../facts/files/hash.ts";
import { idOf } from "../resources/resource.ts";
import type { Owned, ResourceId, Step } from "../resources/resource.ts";
import { asMade, ownLine } from "./state.ts";
import type { Plan, PlanInput, PlannedChange } from "./types.ts";
import { dueLines, unfinishedPath } from "./unfinished.ts";

/** What a run has to know of changes besides what each does. */
export function finishPlan(
  verb: string,
  input: PlanInput,
  drafts: readonly PlannedChange[],
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
