import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openPackedProgram } from "../../src/packed-program.ts";

let folder: string;
let environment: Record<string, string>;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "hostkit-packed-"));
  environment = { XDG_CACHE_HOME: path.join(folder, "cache") };
  mkdirSync(path.join(folder, "packed"));
  writeFileSync(path.join(folder, "cli.js"), "");
  writeFileSync(
    path.join(folder, "packed/main-1.cjs"),
    'exports.main = () => require("./part-1.cjs").name + require("node:path").sep;',
  );
  writeFileSync(path.join(folder, "packed/part-1.cjs"), 'exports.name = "part";');
  writeFileSync(path.join(folder, "packed/entry"), "main-1.cjs");
});
afterEach(() => rmSync(folder, { recursive: true }));

function run(): string {
  const packed = openPackedProgram(folder, "plan", environment);
  const answer = String((packed?.main as unknown as { main?: () => string } | undefined)?.main?.());
  packed?.keep();
  return answer;
}

function keptCode(): string {
  const codes = path.join(folder, "cache/hostkit/code");
  const [build = ""] = readdirSync(codes);
  return path.join(codes, build, "plan");
}

describe("openPackedProgram", () => {
  test("runs what is in the files, and again from the compiled code, which nobody else may read", () => {
    expect(run()).toBe("part/");
    const { mode, mtimeMs, ino } = statSync(keptCode());
    expect(mode & 0o777).toBe(0o600);
    expect(run()).toBe("part/");
    expect(statSync(keptCode())).toMatchObject({ mtimeMs, ino });
  });

  test("is nothing where tsc has written anew since, and where there is none", () => {
    const entry = path.join(folder, "packed/entry");
    const { mtimeMs } = statSync(path.join(folder, "cli.js"));
    utimesSync(entry, mtimeMs / 1000 - 10, mtimeMs / 1000 - 10);
    expect(openPackedProgram(folder, "plan", environment)).toBeUndefined();
    rmSync(entry);
    expect(openPackedProgram(folder, "plan", environment)).toBeUndefined();
  });

  test.each([
    ["cut short", (file: string) => writeFileSync(file, '[["main-1.cjs",100]]\nabc')],
    ["of something else", (file: string) => writeFileSync(file, '[["main-1.cjs",3]]\nabc')],
    ["writable by others", (file: string) => chmodSync(file, 0o666)],
  ])("does without compiled code that is %s, and makes it anew", (_name, spoil) => {
    run();
    const before = statSync(keptCode()).ino;
    spoil(keptCode());
    expect(run()).toBe("part/");
    const after = statSync(keptCode());
    expect(after.ino).not.toBe(before);
    expect(after.mode & 0o777).toBe(0o600);
  });

  test("does without a home that can be written", () => {
    writeFileSync(path.join(folder, "cache"), "a file");
    expect(run()).toBe("part/");
  });
});
