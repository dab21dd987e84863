import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ChangeQueue } from "../../../src/dev/change-queue.ts";
import { BuildTriggers } from "../../../src/dev/triggers.ts";

/** Longer than a test may take. */
const never = 600_000;
/** Long after any build. */
const savedAt = Date.now() + 60_000;

let folder: string;
let triggers: BuildTriggers;
let changes: ChangeQueue;
const leave = new AbortController();
const save = async (name: string) => {
  const file = path.join(folder, name);
  await writeFile(file, `${name} ${Math.random()}`);
  return { paths: [file], savedAt };
};
const named = (paths: readonly string[]) => paths.map((file) => path.relative(folder, file));
/** The next change as the loop of `dev` takes it, given so long to be followed by others. */
const begin = async () => {
  const change = await changes.next();
  if (change === undefined) throw new Error("no change");
  return { change, verdict: await triggers.judge(change) };
};

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "hostkit-changes-"));
  await writeFile(path.join(folder, ".gitignore"), "*.out\n");
  triggers = new BuildTriggers(folder);
  changes = new ChangeQueue(leave.signal);
});
afterEach(() => rm(folder, { recursive: true }));

test("a source that is saved while somebody else's build settles is one, at once", async () => {
  changes.add(await save("server.out"));
  const first = await begin();
  expect(first.verdict.cause).toBe("made");
  const settled = changes.settle(first, never, (change) => triggers.judge(change));
  changes.add(await save("page.out"));
  changes.add(await save("server.ts"));
  const { change, verdict } = await settled;
  expect(verdict.cause).toBe("sources");
  expect(named(verdict.paths)).toEqual(["server.ts"]);
  expect(named(change.paths)).toEqual(["page.out", "server.out", "server.ts"]);
  // It was judged: nobody finds it a second time.
  expect(await triggers.findMissed()).toEqual([]);
});

test("what a build makes bit by bit is one change", async () => {
  changes.add(await save("server.out"));
  const first = await begin();
  changes.add(await save("page.out"));
  const { verdict } = await changes.settle(first, 0, (change) => triggers.judge(change));
  expect(verdict.cause).toBe("made");
  expect(named(verdict.paths)).toEqual(["page.out", "server.out"]);
});
