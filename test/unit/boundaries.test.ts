import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { kindNames } from "../../src/resources/kinds.ts";

/** The linter must really catch imports that go the wrong way; a glob that fits nothing would be silent. */
const root = path.resolve(import.meta.dirname, "../..");
const cases: readonly (readonly [string, string, string, boolean])[] = [
  [
    "facts",
    "planning",
    'import { makePlan } from "../plan/plan.ts";\nexport const x = makePlan;\n',
    true,
  ],
  [
    "facts",
    "disk",
    'import { readFile } from "node:fs/promises";\nexport const x = readFile;\n',
    true,
  ],
  ["plan", "ssh", 'import { Client } from "ssh2";\nexport const x = Client;\n', true],
  [
    "stack/deep",
    "upward",
    'import { connect } from "../../host/connection.ts";\nexport const x = connect;\n',
    true,
  ],
  ["manifest", "clock", "export const x = Date.now();\n", true],
  ["resources", "random", "export const x = Math.random();\n", true],
  ["shell", "process", "export const x = process.env;\n", true],
  [
    "lab",
    "plan",
    'import { makePlan } from "../plan/plan.ts";\nexport const x = makePlan;\n',
    true,
  ],
  [
    "host",
    "command",
    'import { runPlan } from "../commands/plan.ts";\nexport const x = runPlan;\n',
    true,
  ],
  ["plan", "downward", 'import { sh } from "../shell/script.ts";\nexport const x = sh;\n', false],
  [
    "host",
    "effects",
    'import { readFile } from "node:fs/promises";\nexport const x = readFile;\n',
    false,
  ],
  [
    "facts",
    "hash",
    'import { sha256 } from "@noble/hashes/sha2.js";\nexport const x = sha256;\n',
    false,
  ],
];

let folder: string;
let output: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-lint-"));
  await cp(path.join(root, ".oxlintrc.json"), path.join(folder, ".oxlintrc.json"));
  for (const [room, name, text] of cases) {
    await mkdir(path.join(folder, "src", room), { recursive: true });
    await writeFile(path.join(folder, "src", room, `${name}.ts`), text);
  }
  const oxlint = path.join(root, "node_modules/.bin/oxlint");
  const result = await promisify(execFile)(oxlint, ["-f", "unix", "src"], { cwd: folder }).catch(
    (error: { stdout?: string }) => ({ stdout: error.stdout ?? "" }),
  );
  output = result.stdout;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("the linter's rules are those of the table of rooms", async () => {
  const text = await readFile(path.join(root, ".oxlintrc.json"), "utf8");
  const script = path.join(root, "scripts/generate-lint.mjs");
  const { renderLint } = (await import(script)) as { renderLint(text: string): string };
  expect(renderLint(text), "run: node scripts/generate-lint.mjs").toBe(text);
});

test.each(cases)("src/%s/%s", (room, name, _text, isViolation) => {
  const complaints = output
    .split("\n")
    .filter((line) => line.includes(`src/${room}/${name}.ts:`) && line.includes("no-restricted"));
  expect(complaints.length > 0).toBe(isViolation);
});

test("no file of src imports itself through others, types and late imports counted", async () => {
  const circles = findCircles(await readImports(path.join(root, "src")));
  expect(circles.map((files) => files.join(" "))).toEqual([]);
});

test("ids are made by their kinds, and nobody takes them apart", async () => {
  const spelled = new RegExp(`(?:["'\`]|/\\^)(?:${kindNames.join("|")}):[^\\s"]`);
  const folder = path.join(root, "src");
  const found: string[] = [];
  for (const file of await readdir(folder, { recursive: true })) {
    if (!file.endsWith(".ts") || file.startsWith("lab/")) continue;
    for (const line of (await readFile(path.join(folder, file), "utf8")).split("\n"))
      if (spelled.test(line) && !/^\s*(?:\/?\*|\/\/)/.test(line)) found.push(`${file}: ${line}`);
  }
  expect(found).toEqual([]);
});

test("circles are found", () => {
  const imports = new Map([
    ["a", ["b", "c"]],
    ["b", ["c"]],
    ["c", ["d"]],
    ["d", ["b", "e"]],
    ["e", []],
    ["f", ["f"]],
  ]);
  expect(findCircles(imports)).toEqual([["b", "c", "d"], ["f"]]);
});

/** The files of a folder, and which of them each names in an import: static, of types, or late with a literal path. */
async function readImports(folder: string): Promise<Map<string, string[]>> {
  const imports = new Map<string, string[]>();
  for (const file of await readdir(folder, { recursive: true })) {
    if (!file.endsWith(".ts")) continue;
    const text = await readFile(path.join(folder, file), "utf8");
    const named = text.matchAll(/\b(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g);
    imports.set(
      file,
      [...named].map(([, to = ""]) => path.join(path.dirname(file), to)),
    );
  }
  return imports;
}

/** Groups of files of which each reaches each other one, sorted. */
function findCircles(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const reached = new Map([...imports.keys()].map((file) => [file, reach(file)]));
  const circles = new Map<string, string[]>();
  for (const [file, others] of reached) {
    if (!others.has(file)) continue;
    const members = [...others].filter((other) => reached.get(other)?.has(file) === true).sort();
    circles.set(members.join(" "), members);
  }
  return [...circles.keys()].sort().map((key) => circles.get(key) ?? []);

  function reach(start: string): Set<string> {
    const seen = new Set<string>();
    const left = [start];
    for (let file = left.pop(); file !== undefined; file = left.pop())
      for (const next of imports.get(file) ?? [])
        if (!seen.has(next)) {
          seen.add(next);
          left.push(next);
        }
    return seen;
  }
}
