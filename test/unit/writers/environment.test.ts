import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  refuseDockerVariable,
  writeDockerEnvironment,
  writeSystemdEnvironment,
  writeSystemdVariable,
} from "../../../src/writers/environment.ts";
import { reasonToRefuse, UnwritableError } from "../../../src/writers/written.ts";

test("a shell reads what systemd is to read: the quoting rules are the same for these four characters", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "hostkit-env-"));
  try {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (value) => {
        fc.pre(reasonToRefuse(() => writeSystemdVariable("A", value)) === undefined);
        writeFileSync(path.join(folder, "env"), writeSystemdEnvironment({ A: value }));
        const read = execFileSync("sh", ["-c", '. ./env; printf %s "$A"'], { cwd: folder });
        expect(read.toString("utf8")).toBe(value);
      }),
      { numRuns: 60 },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  ["spring.datasource.url", "x"],
  ["A-B", "x"],
  ["1A", "x"],
  ["ä", "x"],
  ["", "x"],
  ["A", "a\rb"],
  ["A", "\u001b[31m"],
  ["A", "\0"],
  ["A", "\u007f"],
  ["A", "\ud800"],
  ["A", "x".repeat(131_072)],
])("systemd would drop %j with %j", (name, value) => {
  expect(() => writeSystemdVariable(name, value)).toThrow(UnwritableError);
});

test("Docker takes a line as it stands; what is no line it takes from its own environment", () => {
  expect(
    writeDockerEnvironment({ A: `"x" $y #z `, B: "", KEY: "a\nb'", "spring.url": "x", R: "a\r" }),
  ).toEqual({
    file: `A="x" $y #z \nB=\nspring.url=x\n`,
    exports: `export KEY='a\nb'\\'''\nexport R='a\r'\n`,
    exported: ["KEY", "R"],
  });
});

test.each([
  ["", "x"],
  ["A B", "x"],
  ["#A", "x"],
  ["A=B", "x"],
  ["A", "\0"],
  ["spring.key", "a\nb"],
  ["PATH", "a\nb"],
  ["DOCKER_HOST", "a\nb"],
  ["LD_PRELOAD", "a\nb"],
  ["name", "a\nb"],
])("no container gets %j with %j", (name, value) => {
  expect(() => refuseDockerVariable(name, value)).toThrow(UnwritableError);
});
