import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatProblems, parseManifest } from "../../../src/manifest/parse.ts";

const folder = join(import.meta.dirname, "../../cases/manifest");
const texts = ["good", "bad"].flatMap((kind) =>
  readdirSync(join(folder, kind))
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => readFileSync(join(folder, kind, name), "utf8")),
);

/** Whatever comes in: no throw, a manifest exactly when nothing is an error, and places inside the text. */
function checkAnswer(text: string): void {
  const { manifest, problems } = parseManifest(text, "hostkit.yaml");
  const hasError = problems.some((problem) => problem.severity === "error");
  expect(manifest === undefined).toBe(hasError);
  // Whatever is rendered into a unit, a rule or SQL stays on its line.
  expect(JSON.stringify(manifest ?? {})).not.toMatch(/\\[nrtbf]|\\u00[01]|\u007f/);
  const lines = text.split("\n").length;
  for (const { line, column, message } of problems) {
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(lines);
    expect(column).toBeGreaterThanOrEqual(1);
    expect(message).not.toMatch(/Invalid input|undefined|\[object/);
  }
}

const yamlBits = fc.constantFrom(
  ..."{}[],:-#&*!|>'\"%@`? \n\t".split(""),
  "<<: *a",
  "&a ",
  "*a",
  "__proto__: ",
  "constructor: ",
  "---\n",
  "!!binary ",
  "0x1F",
  "~",
  ".nan",
  "\u0000",
  "\u2028",
  "﻿",
  "stack: ",
  "web: ",
  "\r\n",
);

describe("parseManifest", () => {
  test("answers any text", () => {
    const anything = fc.oneof(
      fc.string({ unit: "binary" }),
      fc
        .array(fc.oneof(yamlBits, fc.string({ maxLength: 5 })), { maxLength: 60 })
        .map((bits) => bits.join("")),
    );
    fc.assert(fc.property(anything, checkAnswer), { numRuns: 200 });
  });

  test("answers manifests with cuts, insertions and swapped pieces", () => {
    const mutated = fc
      .record({
        text: fc.constantFrom(...texts),
        other: fc.constantFrom(...texts),
        edits: fc.array(
          fc.record({
            at: fc.nat(),
            length: fc.nat({ max: 12 }),
            bit: fc.oneof(fc.constant(""), yamlBits),
            from: fc.nat(),
          }),
          { minLength: 1, maxLength: 4 },
        ),
      })
      .map(({ text, other, edits }) =>
        edits.reduce((current, { at, length, bit, from }) => {
          const start = at % (current.length + 1);
          const piece =
            bit === "" ? other.slice(from % other.length, (from % other.length) + length) : bit;
          return current.slice(0, start) + piece + current.slice(start + length);
        }, text),
      );
    fc.assert(fc.property(mutated, checkAnswer), { numRuns: 250 });
  });

  test("answers any data in any place", () => {
    const keys = [
      "stack",
      "hosts",
      "database",
      "services",
      "web",
      "proxy",
      "backups",
      "firewall",
      "host",
      "secrets",
    ];
    const data = fc.dictionary(
      fc.constantFrom(...keys),
      fc.object({
        key: fc.oneof(
          fc.constantFrom(
            "a",
            "build",
            "port",
            "sites",
            "routes",
            "allow",
            "repositories",
            "roles",
            "grants",
            "on",
          ),
          fc.string({ maxLength: 8 }),
        ),
        maxDepth: 3,
        values: [fc.integer(), fc.double(), fc.boolean(), fc.constant(null), fc.string()],
      }),
    );
    fc.assert(
      fc.property(data, (value) => checkAnswer(JSON.stringify(value))),
      { numRuns: 80 },
    );
  });

  test("answers deep nesting and alias bombs with a problem", () => {
    const bomb = [
      "a0: &a0 [x, x]",
      ...Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`),
    ];
    for (const text of [
      "[".repeat(20_000),
      "{a: ".repeat(20_000),
      "- ".repeat(20_000),
      bomb.join("\n"),
    ]) {
      expect(parseManifest(text, "hostkit.yaml").problems).not.toEqual([]);
    }
  });

  test("never repeats a value that stands where secrets stand", () => {
    const secret = "s3cr3t/Value+pasted by mistake";
    const places = [
      `web: { a: { build: ., port: 1, env: { A: ["${secret}"] } } }`,
      `web: { a: { build: ., port: 1, env: "${secret}" } }`,
      `web: { a: { build: { context: ., args: { A: { b: "${secret}" } } }, port: 1 } }`,
      `web: { a: { build: ., port: 1, secrets: ["${secret}"] } }`,
      `web: { a: { build: ., port: 1, secrets: "${secret}" } }`,
      `web: { a: { build: ., port: 1, env: { PASSWORD: "${secret}" } } }`,
      `secrets: { A: "${secret}" }`,
      `secrets: { A: { env: "${secret}" } }`,
      `backups: { repositories: { r: { path: /x, passphrase: "${secret}" } }, files: { paths: [/a] } }`,
      `proxy: { sites: { a.example.org: { headers: { Authorization: ["${secret}"] } } } }`,
    ];
    for (const place of places) {
      const { problems } = parseManifest(`stack: demo\nhosts: { h1: }\n${place}\n`, "hostkit.yaml");
      expect(problems, place).not.toEqual([]);
      expect(formatProblems(problems), place).not.toContain("s3cr3t");
    }
  });
});
