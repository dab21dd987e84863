/**
 * Every manifest under test/cases/manifest: good/NAME.yaml with the normalized manifest in NAME.json (and
 * NAME.problems.txt where it has warnings), bad/NAME.yaml with the exact messages in NAME.problems.txt.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatProblems, parseManifest } from "../../../src/manifest/parse.ts";

const folder = join(import.meta.dirname, "../../cases/manifest");

function listCases(kind: "good" | "bad"): string[] {
  return readdirSync(join(folder, kind))
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => name.slice(0, -".yaml".length));
}

function parseCase(kind: "good" | "bad", name: string) {
  return parseManifest(readFileSync(join(folder, kind, `${name}.yaml`), "utf8"), "hostkit.yaml");
}

describe("good manifests", () => {
  test.each(listCases("good"))("%s", async (name) => {
    const { manifest, problems } = parseCase("good", name);
    const warnings = join(folder, "good", `${name}.problems.txt`);
    if (problems.length > 0 || existsSync(warnings)) {
      await expect(`${formatProblems(problems)}\n`).toMatchFileSnapshot(warnings);
    }
    expect(problems.filter((problem) => problem.severity === "error")).toEqual([]);
    await expect(`${JSON.stringify(manifest, undefined, 2)}\n`).toMatchFileSnapshot(
      join(folder, "good", `${name}.json`),
    );
  });
});

describe("bad manifests", () => {
  test.each(listCases("bad"))("%s", async (name) => {
    const { manifest, problems } = parseCase("bad", name);
    expect(manifest).toBeUndefined();
    expect(problems.some((problem) => problem.severity === "error")).toBe(true);
    await expect(`${formatProblems(problems)}\n`).toMatchFileSnapshot(
      join(folder, "bad", `${name}.problems.txt`),
    );
  });
});
