import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runHostkit } from "../../harness/run-hostkit.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-clean-"));
  for (const name of ["page/dist", "page/data", "dist"])
    await mkdir(path.join(folder, name), { recursive: true });
  await put(
    "hostkit.yaml",
    `stack: made
build_command: ./make
hosts: { one: { address: one.invalid } }
services: { worker: { package: dist/worker.deb } }
web: { page: { build: ./page, port: 80 } }
`,
  );
  await put(".gitignore", "dist/\ndata/\n.env\n");
  await put("page/Dockerfile", "FROM scratch\nCOPY . /\n");
  await put("page/.env", "SECRET=1\n");
  await put("page/data/rows", "1\n");
  await put(
    "make",
    "#!/bin/sh\nmkdir -p dist page/dist && printf '!<arch>\\n' >dist/worker.deb && echo built >page/dist/page.js\n",
  );
  await chmod(path.join(folder, "make"), 0o755);
  await hostkit("build");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const put = (file: string, text: string) => writeFile(path.join(folder, file), text);
const hostkit = (...words: string[]) => runHostkit(words, { workingDirectory: folder });
const list = async (...parts: string[]) => (await readdir(path.join(folder, ...parts))).sort();

test("what builds made goes, and comes back with a build; what else git ignores stays", async () => {
  const { exitCode, stdout } = await hostkit("clean", "--only", "built", "--yes", "--json");
  expect({ exitCode, answer: JSON.parse(stdout) as unknown }).toEqual({
    exitCode: 0,
    answer: {
      done: true,
      bytes: 14,
      places: [
        {
          place: "this machine",
          entries: [
            expect.objectContaining({ kind: "built", name: "dist/worker.deb", bytes: 8 }),
            expect.objectContaining({ kind: "built", name: "page/dist", bytes: 6 }),
          ],
        },
      ],
    },
  });
  expect(await list("dist")).toEqual([]);
  expect(await list("page")).toEqual([".env", "Dockerfile", "data"]);
  expect(await hostkit("build")).toMatchObject({ exitCode: 0 });
  expect(await list("page")).toContain("dist");
});

test("nothing goes unasked, or with --dry-run", async () => {
  const unasked = await hostkit("clean", "--only", "built");
  expect(unasked).toMatchObject({ exitCode: 64 });
  expect(unasked.stderr).toContain("--yes");
  const dry = await hostkit("clean", "--only", "built", "--dry-run");
  expect(dry).toMatchObject({ exitCode: 0 });
  expect(dry.stdout).toMatch(/dist\/worker\.deb +8 B +hostkit build worker makes it again/);
  expect(await list("dist")).toEqual(["worker.deb"]);
  expect(await list("page")).toContain("dist");
});

test("what git does not ignore, and what no command makes, stays", async () => {
  await put(".gitignore", "data/\n");
  const kept = await hostkit("clean", "--only", "built", "--yes");
  expect(kept.stdout).toContain("this machine: nothing to clean");
  expect(await list("dist")).toEqual(["worker.deb"]);
  await put(".gitignore", "dist/\n");
  const manifest = "stack: made\nhosts: { one: { address: one.invalid } }\n";
  await put("hostkit.yaml", `${manifest}web: { page: { build: ./page, port: 80 } }\n`);
  expect((await hostkit("clean", "--only", "built", "--yes")).stdout).toContain("nothing to clean");
  expect(await list("page")).toContain("dist");
});
