import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Facts } from "../../../src/facts/fact.ts";
import type { FactNeed } from "../../../src/facts/fact.ts";
import { titleOf } from "../../../src/plan/bundle.ts";
import { allKinds, kindOf } from "../../../src/resources/kinds.ts";
import type { Change, Owned, Resource, ResourceId } from "../../../src/resources/resource.ts";

/**
 * test/cases/resources/<kind>/<case>.yaml: a resource, what is on the host, and the change that must come of it (`change`);
 * or what the state file remembers, and the change that takes it away (`owned`, `removed`).
 */
type Case = DiffCase | RemovalCase;

interface DiffCase {
  about: string;
  resource: Resource;
  /** By source name, then subject. */
  facts?: Record<string, Record<string, unknown>>;
  context?: {
    changed?: ResourceId[];
    isOwned?: boolean;
    isUnfinished?: boolean;
    owned?: Owned;
  };
  /** null: nothing to do. Only the keys that are given are compared. */
  change: null | Seen;
}

interface RemovalCase {
  about: string;
  owned: Owned;
  facts?: Record<string, Record<string, unknown>>;
  deleteData?: boolean;
  isUnfinished?: boolean;
  /** null: it stays, or is not there. */
  removed: null | Seen;
}

interface Seen {
  action?: string;
  because?: string;
  steps?: string[];
  difference?: string[];
  scripts?: string[];
  refusal?: { what?: string; where?: string };
  insteadOf?: Record<string, string>;
  notes?: string[] | null;
  away?: { what: string; onlyIf?: string } | null;
}

const root = new URL("../../cases/resources/", import.meta.url);
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".yaml"),
);
const kinds = new Map<string, DiffCase[]>();
const removals = new Map<string, RemovalCase[]>();
const stackDirectory = "/var/lib/hostkit/test";

function factsOf(entry: Case, needs: readonly FactNeed[]): Facts {
  // Of the other stacks every plan knows.
  const asked = new Set(["neighbours", ...needs.map((need) => need.source.name)]);
  for (const source of Object.keys(entry.facts ?? {}))
    expect(asked, `${source} is never asked for`).toContain(source);
  return new Facts(
    new Map(
      Object.entries(entry.facts ?? {}).map(([source, values]) => [
        source,
        new Map(Object.entries(values)),
      ]),
    ),
  );
}

function compare(change: Change | undefined, expected: Seen | null): void {
  if (expected === null) {
    expect(change).toBeUndefined();
    return;
  }
  const seen = {
    action: change?.action,
    because: change?.because,
    steps: change?.steps.map(titleOf),
    difference: change?.difference,
    refusal: change?.refusal,
    insteadOf: change?.insteadOf,
    notes: change?.notes ?? null,
    away: change?.away ?? null,
    scripts: change?.steps.flatMap((step) => (step.type === "script" ? [step.script.text] : [])),
  };
  expect(seen).toMatchObject(expected);
}

/** What is remembered when nothing is known of the host. */
function shapeOf(owned: Owned): string {
  return Object.keys(owned)
    .filter((key) => owned[key] !== undefined && !known.includes(key))
    .sort()
    .join(" ");
}
const known = ["after", "holds", "wrote"];

describe("resource cases", () => {
  test.each(files.sort())("%s", (name) => {
    const entry = parse(readFileSync(new URL(name, root), "utf8")) as Case;
    if ("owned" in entry) {
      const kind = kindOf(entry.owned);
      removals.set(kind.kind, [...(removals.get(kind.kind) ?? []), entry]);
      const facts = factsOf(entry, kind.removalNeeds?.(entry.owned) ?? []);
      const { deleteData = false, isUnfinished = false } = entry;
      compare(
        kind.remove(entry.owned, facts, { stackDirectory, deleteData, isUnfinished }),
        entry.removed,
      );
      return;
    }
    const kind = kindOf(entry.resource);
    kinds.set(kind.kind, [...(kinds.get(kind.kind) ?? []), entry]);
    const facts = factsOf(entry, kind.needs(entry.resource));
    const change = kind.diff(entry.resource, facts, {
      stackDirectory,
      changed: new Set(entry.context?.changed ?? []),
      isOwned: entry.context?.isOwned ?? entry.context?.owned !== undefined,
      isUnfinished: entry.context?.isUnfinished ?? false,
      ...(entry.context?.owned === undefined ? {} : { owned: entry.context.owned }),
    });
    compare(change, entry.change);
  });

  test("every kind has a case in which nothing is to be done", () => {
    const without = allKinds.filter(
      ({ kind }) => kinds.get(kind)?.some((entry) => entry.change === null) !== true,
    );
    expect(without.map(({ kind }) => kind)).toEqual([]);
  });

  test("every kind proves its removal, from what it remembers", () => {
    const shapes = allKinds.map((kind) => {
      const [same] = (kinds.get(kind.kind) ?? []).filter(({ change }) => change === null);
      const own = same === undefined ? undefined : kind.own(same.resource);
      return [kind.kind, own === undefined ? "nothing" : shapeOf(own)];
    });
    const proved = allKinds.map(({ kind }) => {
      const cases = removals.get(kind) ?? [];
      const last = cases.find(({ removed }) => removed !== null);
      return [kind, last !== undefined ? shapeOf(last.owned) : cases.length > 0 ? "nothing" : "?"];
    });
    expect(proved).toEqual(shapes);
  });
});
