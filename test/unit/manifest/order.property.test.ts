import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { parseManifest } from "../../../src/manifest/parse.ts";

const good = join(import.meta.dirname, "../../cases/manifest/good");

/** The same data with the keys of its mappings in another order; hosts keep theirs, it has a meaning. */
function shuffleKeys(data: unknown, random: () => number, key = ""): unknown {
  if (Array.isArray(data)) return data.map((item) => shuffleKeys(item, random));
  if (typeof data !== "object" || data === null) return data;
  const entries = Object.entries(data).map(([name, value]) => ({ name, value, rank: random() }));
  if (key !== "hosts") entries.sort((left, right) => left.rank - right.rank);
  return Object.fromEntries(
    entries.map(({ name, value }) => [name, shuffleKeys(value, random, name)]),
  );
}

test.each(readdirSync(good).filter((name) => name.endsWith(".yaml")))(
  "%s means the same with its keys shuffled",
  (name) => {
    const data: unknown = parse(readFileSync(join(good, name), "utf8"), { merge: true });
    const expected = JSON.stringify(parseManifest(JSON.stringify(data), "a.yaml").manifest);
    expect(expected).toBeDefined();
    const ranks = fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true }));
    fc.assert(
      fc.property(ranks, (stream) => {
        const shuffled = shuffleKeys(data, () => stream.next().value as number);
        expect(JSON.stringify(parseManifest(JSON.stringify(shuffled), "a.yaml").manifest)).toBe(
          expected,
        );
      }),
      { numRuns: 4 },
    );
  },
);

test("the two spellings of the design target are one manifest", () => {
  const read = (name: string) =>
    parseManifest(readFileSync(join(good, name), "utf8"), "a.yaml").manifest;
  expect(JSON.stringify(read("shuffled-keys.yaml"))).toBe(
    JSON.stringify(read("design-target.yaml")),
  );
});
