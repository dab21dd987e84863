import { textFacts } from "../facts/files/file.ts";
import type { ResourceId } from "../resources/resource.ts";
import type { PlanInput } from "./types.ts";

/**
 * The file on the host that says what a run has begun and not ended. Before a change's first step its own id stands in it, and the
 * ids of those behind it, which have to happen because of it: a unit that has to read the file anew, say. Removed at the end of a
 * run that ended well.
 */
export function unfinishedPath(stackDirectory: string): string {
  return `${stackDirectory}/unfinished`;
}

/** What is said before a change begins. @param ids its own, and those of the changes that wait for it */
export function dueLines(ids: readonly ResourceId[]): string {
  return ids.map((id) => `due ${id}\n`).join("");
}

/** What is said once a change is done. */
export function doneLine(id: ResourceId): string {
  return `done ${id}\n`;
}

/** Ids of what was begun, or became due, and was not done since. A line that was cut short is no line. */
export function parseUnfinished(text: string): ReadonlySet<ResourceId> {
  const unfinished = new Set<ResourceId>();
  for (const match of text.matchAll(/^(due|done) ([^\n]+:[^\n]*)\n/gm)) {
    const id = match[2] as ResourceId;
    if (match[1] === "due") unfinished.add(id);
    else unfinished.delete(id);
  }
  return unfinished;
}

/** The same, of a host that was looked at. */
export function unfinishedIn({
  facts,
  stackDirectory,
}: Pick<PlanInput, "facts" | "stackDirectory">): ReadonlySet<ResourceId> {
  return parseUnfinished(facts.get(textFacts, unfinishedPath(stackDirectory)) ?? "");
}
