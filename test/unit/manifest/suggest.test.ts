import { expect, test } from "vitest";
import { suggest } from "../../../src/manifest/suggest.ts";

test.each([
  ["databse", "database"],
  ["DATABASE", "database"],
  ["prot", "port"],
  ["form", "from"],
  ["memroy", "memory"],
  ["xyz", undefined],
  ["database", undefined],
  ["", undefined],
])("%s → %s", (written, meant) => {
  expect(suggest(written, ["database", "port", "from", "memory"])).toBe(meant);
});
