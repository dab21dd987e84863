import { expect, test } from "vitest";
import { joinSections } from "../../../src/stack/inputs.ts";
import type { Section } from "../../../src/stack/inputs.ts";

test("a joined section has all that its parts contribute", () => {
  const one: Required<Section> = {
    packages: ["a"],
    dataPackages: ["a"],
    startsLater: { a: "a.service" },
    alternatives: { a: ["b"] },
    pins: { a: "1" },
    resources: [{ kind: "k", name: "a" }],
    beforePackages: ["k:a"],
  };
  const none: Section = { packages: ["c"], resources: [] };
  expect(joinSections([one])).toEqual(one);
  expect(joinSections([one, none])).toEqual({ ...one, packages: ["a", "c"] });
  expect(joinSections([none, one])).toEqual({ ...one, packages: ["c", "a"] });
});
