import { expect, test } from "vitest";
import { readStrangerCases } from "../harness/stranger-case.ts";

test("every stranger's case has the form, and no two have one title", async () => {
  const cases = await readStrangerCases();
  expect(cases.length).toBeGreaterThan(0);
  const titles = cases.map(({ title }) => title);
  expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([]);
});
