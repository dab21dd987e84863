import type { Facts } from "../facts/fact.ts";
import { textFacts } from "../facts/files/file.ts";
import { idOf } from "../resources/resource.ts";
import type { Owned, ResourceId } from "../resources/resource.ts";

/** The file on the host that lists what hostkit owns: one JSON object a line, the last line of an id counts. */
export function statePath(stackDirectory: string): string {
  return `${stackDirectory}/state.jsonl`;
}

/** Reads the state file; lines that cannot be read (a power cut mid-write) are left out. */
export function parseState(text: string): Map<ResourceId, Owned> {
  const owned = new Map<ResourceId, Owned>();
  for (const line of text.split("\n")) {
    const entry = parseLine(line);
    if (entry === undefined) continue;
    const id = idOf(entry);
    owned.delete(id);
    if (entry["gone"] !== true) owned.set(id, entry);
  }
  return owned;
}

/** The state file of a host that was looked at: as it stands, and what it says. */
export function readState(
  facts: Facts,
  stackDirectory: string,
): { readonly text: string; readonly owned: Map<ResourceId, Owned> } {
  const text = facts.get(textFacts, statePath(stackDirectory)) ?? "";
  return { text, owned: parseState(text) };
}

/** One line of the state file: this resource is hostkit's. */
export function ownLine(owned: Owned): string {
  return `${JSON.stringify(owned)}\n`;
}

/**
 * One line of the state file: a run is about to make this resource, which is hostkit's from here on, whatever becomes of the run.
 * "new": what stands in its place may still be somebody else's. "again": it was hostkit's before.
 */
export function beginLine(owned: Owned, begun: "new" | "again"): string {
  return ownLine({ ...owned, begun });
}

/** Whether hostkit has made the resource, not only begun to. */
export function isMade(owned: Owned | undefined): boolean {
  return owned !== undefined && owned["begun"] !== "new";
}

/** An entry as it stands once the resource is as it should be. */
export function asMade({ begun: _begun, ...owned }: Owned): Owned {
  return owned;
}

/** One line of the state file: this resource is no longer there. */
export function disownLine({ kind, name }: Pick<Owned, "kind" | "name">): string {
  return `${JSON.stringify({ kind, name, gone: true })}\n`;
}

function parseLine(line: string): Owned | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value = JSON.parse(line) as Partial<Owned>;
    return typeof value.kind === "string" && typeof value.name === "string"
      ? (value as Owned)
      : undefined;
  } catch {
    return undefined;
  }
}
