import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BuildTriggers } from "../../../src/dev/triggers.ts";

let folder: string;
let file: string;
let triggers: BuildTriggers;
/** Long after any build. */
const savedAt = Date.now() + 60_000;
const judge = async () => (await triggers.judge({ paths: [file], savedAt })).cause;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "hostkit-triggers-"));
  file = path.join(folder, "server.js");
  await writeFile(file, "one");
  triggers = new BuildTriggers(folder);
});
afterEach(() => rm(folder, { recursive: true }));

test("the same save told of twice is one; after a failure too", async () => {
  expect(await judge()).toBe("sources");
  expect(await judge()).not.toBe("sources");
  triggers.settle(false);
  expect(await judge()).not.toBe("sources");
});

test("saved again as it was: tried again after a failure, and only then", async () => {
  await judge();
  await utimes(file, 1, 1);
  expect(await judge()).not.toBe("sources");
  triggers.settle(false);
  await utimes(file, 2, 2);
  expect(await judge()).toBe("sources");
});

test("a save that nobody told of is found", async () => {
  await judge();
  expect(await triggers.findMissed()).toEqual([]);
  await writeFile(file, "two");
  expect(await triggers.findMissed()).toEqual([file]);
  expect(await judge()).toBe("sources");
  expect(await triggers.findMissed()).toEqual([]);
});
