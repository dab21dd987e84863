import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Facts } from "../../../src/facts/fact.ts";
import { titleOf } from "../../../src/plan/bundle.ts";
import { kindOf } from "../../../src/resources/kinds.ts";
import type { Resource, ResourceId } from "../../../src/resources/resource.ts";

/** test/cases/resources/<kind>/<case>.yaml: a resource, what is on the host, and the change that must come of it. */
interface Case {
  about: string;
  resource: Resource;
  /** By source name, then subject. */
  facts?: Record<string, Record<string, unknown>>;
  context?: { changed?: ResourceId[]; isOwned?: boolean };
  /** null: nothing to do. Only the keys that are given are compared. */
  change: null | {
    action?: string;
    because?: string;
    steps?: string[];
    difference?: string[];
    scripts?: string[];
  };
}

const root = new URL("../../cases/resources/", import.meta.url);
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".yaml"),
);
const kinds = new Map<string, Case[]>();

describe("resource cases", () => {
  test.each(files.sort())("%s", (name) => {
    const entry = parse(readFileSync(new URL(name, root), "utf8")) as Case;
    const kind = kindOf(entry.resource);
    kinds.set(kind.kind, [...(kinds.get(kind.kind) ?? []), entry]);
    const facts = new Facts(
      new Map(
        Object.entries(entry.facts ?? {}).map(([source, values]) => [
          source,
          new Map(Object.entries(values)),
        ]),
      ),
    );
    const asked = new Set(kind.needs(entry.resource).map((need) => need.source.name));
    for (const source of Object.keys(entry.facts ?? {}))
      expect(asked, `${source} is never asked for`).toContain(source);
    const change = kind.diff(entry.resource, facts, {
      stackDirectory: "/var/lib/hostkit/test",
      changed: new Set(entry.context?.changed ?? []),
      isOwned: entry.context?.isOwned ?? false,
    });
    if (entry.change === null) {
      expect(change).toBeUndefined();
      return;
    }
    const seen = {
      action: change?.action,
      because: change?.because,
      steps: change?.steps.map(titleOf),
      difference: change?.difference,
      scripts: change?.steps.flatMap((step) => (step.type === "script" ? [step.script.text] : [])),
    };
    expect(seen).toMatchObject(entry.change);
  });

  test("every kind has a case in which nothing is to be done", () => {
    const without = [...kinds].filter(([, cases]) => cases.every((entry) => entry.change !== null));
    expect(without.map(([kind]) => kind)).toEqual([]);
  });
});
