import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const folder = path.resolve(import.meta.dirname, "../../templates/run");

/** A step may read several of these files: a name that stands in two would change its meaning for what comes behind. */
test("every function of a run has a name of its own", () => {
  const names = readdirSync(folder).flatMap((file) =>
    Array.from(
      readFileSync(path.join(folder, file), "utf8").matchAll(/^(hk_\w+)\(\)/gm),
      ([, name = ""]) => name,
    ),
  );
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});
