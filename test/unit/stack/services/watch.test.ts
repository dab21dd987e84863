import { execFileSync } from "node:child_process";
import { beforeAll, describe, expect, test } from "vitest";
import { readTemplates } from "../../../../src/local/templates.ts";
import { watchSteps } from "../../../../src/resources/containers/watch.ts";
import type { ReleaseResource } from "../../../../src/resources/containers/slots.ts";
import type { Step } from "../../../../src/resources/resource.ts";
import { resolveRelease } from "../../../harness/release-resource.ts";

let templates: ReadonlyMap<string, string>;
beforeAll(async () => {
  templates = await readTemplates();
});

function stepsOf(more: string): { readonly release: ReleaseResource; readonly steps: Step[] } {
  const release = resolveRelease(templates, more);
  const { a, b } = release.slots;
  return { release, steps: watchSteps(release, b, a) };
}

describe("a release is watched", () => {
  test.each([
    ["", 15],
    [", watch: 2m", 120],
    [", watch: 90", 90],
  ])("%s: for so many seconds", (more, seconds) => {
    const { steps } = stepsOf(more);
    expect(steps).toMatchObject([{ title: `watch s-api-b.service for ${seconds} s` }]);
  });

  test.each([", watch: none", ", watch: 0", ", watch: 0s"])("%s: not at all", (more) => {
    expect(stepsOf(more).steps).toEqual([]);
  });

  test("the first one has nothing that it could be taken back to", () => {
    const { release } = stepsOf("");
    expect(watchSteps(release, release.slots.a, undefined)).toEqual([]);
  });

  test("each copy is asked by a check of its own, in a script that a shell reads", () => {
    const { steps } = stepsOf(", replicas: 3, health: /up");
    const text = steps.map((step) => (step.type === "script" ? step.script.text : "")).join();
    execFileSync("sh", ["-n"], { input: text });
    for (const name of ["healthy_1", "healthy_2", "healthy_3"])
      expect(text).toContain(`${name}() {`);
  });

  test("for how long makes no other release", () => {
    expect(stepsOf(", watch: 2m").release.release).toBe(stepsOf("").release.release);
  });
});
