import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withHiddenFolder } from "../../../src/local/hidden-folder.ts";

let memory: string;
beforeEach(async () => {
  memory = await mkdtemp(path.join(tmpdir(), "hostkit-hidden-"));
});
afterEach(() => rm(memory, { recursive: true, force: true }));

test("is there while the work goes on, and for nobody else", async () => {
  await withHiddenFolder(
    "/nowhere",
    async (folder) => {
      await writeFile(path.join(folder, "TOKEN"), "sesame");
      expect(path.dirname(folder)).toBe(memory);
    },
    memory,
  );
  expect(await readdir(memory)).toEqual([]);
});

test("goes with work that fails", async () => {
  const failing = withHiddenFolder("/nowhere", () => Promise.reject(new Error("no")), memory);
  await expect(failing).rejects.toThrow("no");
  expect(await readdir(memory)).toEqual([]);
});

test("what a killed process left goes with the next; that of one that lives stays", async () => {
  // No process has such a number (proc(5): pid_max).
  for (const name of ["hostkit-build-4194305-x", `hostkit-build-${process.pid}-y`, "other"])
    await mkdir(path.join(memory, name));
  await withHiddenFolder("/nowhere", async () => undefined, memory);
  expect((await readdir(memory)).sort()).toEqual([`hostkit-build-${process.pid}-y`, "other"]);
});

test("is the caller's own where there is no folder in memory", async () => {
  const own = await withHiddenFolder(memory, async (folder) => folder, "/nowhere");
  expect(path.dirname(own)).toBe(memory);
  expect(existsSync(own)).toBe(false);
});
