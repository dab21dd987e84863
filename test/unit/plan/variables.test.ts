import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Facts } from "../../../src/facts/fact.ts";
import { secretKeyPath } from "../../../src/facts/files/secret-hashes.ts";
import { variableFacts } from "../../../src/facts/files/variables.ts";
import type { Plan, PlannedChange } from "../../../src/plan/types.ts";
import { hashVariable, nameVariables, splitVariables } from "../../../src/plan/variables.ts";

const plan = (id: PlannedChange["id"], path: string, text: string, now = path): Plan => ({
  host: "h",
  stack: "t",
  stackDirectory: "/var/lib/hostkit/t",
  fingerprint: "f",
  stateHash: "none",
  verb: "provision",
  isUnfinished: false,
  state: "",
  changes: [
    {
      id,
      action: "update",
      because: "content differs",
      ...(now === path ? {} : { insteadOf: { [path]: now } }),
      waitsFor: [],
      stateLine: "",
      beginLines: "",
      steps: [
        {
          type: "put",
          path,
          content: { secret: text },
          mode: "0600",
          owner: "root",
          group: "root",
        },
      ],
    },
  ],
});

const hashesOf = (text: string) =>
  Object.fromEntries(
    [...splitVariables(text)].map(([name, written]) => [name, hashVariable("k", written)]),
  );

describe("variables that a plan changes", () => {
  const before = 'DX_NODES="a:1"\nGONE="x"\nKEPT="line\nmore"\n';
  const after = 'DX_NODES="secret-value"\nKEPT="line\nmore"\nLOG_LEVEL="debug"\n';

  test.each([
    ["file:/etc/hostkit/t/scraper.env", "/etc/hostkit/t/scraper.env", "/etc/hostkit/t/scraper.env"],
    [
      "release:api",
      "/etc/hostkit/t/containers/t-api-b.env",
      "/etc/hostkit/t/containers/t-api-a.env",
    ],
  ] as const)("%s: names and no values", (id, path, now) => {
    const facts = Facts.of([variableFacts, { [now]: { key: "k", hashes: hashesOf(before) } }]);
    const named = nameVariables(plan(id, path, after, now), facts);
    expect(named.changes[0]?.difference).toEqual([
      "~ DX_NODES (another value)",
      "- GONE",
      "+ LOG_LEVEL",
    ]);
    expect(named.fingerprint).toBe("f");
    expect(JSON.stringify(named.changes[0]?.difference)).not.toContain("secret-value");
  });

  test("what is not known is not said", () => {
    const same = plan("file:/a.env", "/a.env", after);
    expect(nameVariables(same, Facts.of())).toEqual(same);
  });
});

function scriptOf(file: string): string {
  if (variableFacts.group !== undefined) throw new Error("a section of its own was expected");
  return variableFacts.script([file], new Map()).text;
}

describe("the host's answer", () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "variables-"))));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("is that of the same text here", () => {
    const key = join(folder, "key");
    const file = join(folder, "a b.env");
    writeFileSync(key, "0123abcd");
    const value = fc.string({ maxLength: 12 }).map((text) => text.replaceAll(/[\0\r]/g, ""));
    const entries = fc.dictionary(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/), value, {
      minKeys: 1,
      maxKeys: 4,
    });
    fc.assert(
      fc.property(entries, (written) => {
        const text = Object.entries(written)
          .map(([name, each]) => `${name}="${each}"\n`)
          .join("");
        writeFileSync(file, text);
        const script = scriptOf(file).replaceAll(secretKeyPath, key);
        const stdout = execFileSync("sh", ["-c", script], { encoding: "utf8" });
        const expected = [...splitVariables(text)].map(([name, lines]) => [
          name,
          hashVariable("0123abcd", lines),
        ]);
        expect(variableFacts.parse(stdout, [file], new Map()).get(file)?.hashes).toEqual(
          Object.fromEntries(expected),
        );
      }),
      { numRuns: 30 },
    );
  });
});
