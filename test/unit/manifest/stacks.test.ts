import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { formatProblems, parseManifest } from "../../../src/manifest/parse.ts";

const stacks = join(import.meta.dirname, "../../../templates/stacks");
const manifests = readdirSync(stacks)
  .map((name) => join(stacks, name, "hostkit.yaml"))
  .filter((file) => existsSync(file));

test.each(manifests)("%s has no problem", (file) => {
  expect(formatProblems(parseManifest(readFileSync(file, "utf8"), file).problems)).toBe("");
});

test.each(manifests)("%s has no mistake with its commented sections switched on", (file) => {
  const text = readFileSync(file, "utf8").replaceAll(/^# ((?:[a-z]+:| ).*)$/gm, "$1");
  const { problems } = parseManifest(text, file);
  expect(formatProblems(problems.filter(({ severity }) => severity === "error"))).toBe("");
});
