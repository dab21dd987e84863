import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listBuildCommands } from "../../../src/local/build.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import { runHostkit } from "../../harness/run-hostkit.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-build-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const hostkit = (...words: string[]) => runHostkit(words, { workingDirectory: folder });

/** A stack whose command makes a package and appends to the page's script. */
async function writeProject(script: string, more = ""): Promise<void> {
  await writeFile(
    path.join(folder, "hostkit.yaml"),
    `stack: made
build_command: ./make
hosts: { one: { address: one.invalid } }
services: { worker: { package: dist/worker.deb } }
web: { page: { build: ./page, port: 80 ${more} } }
`,
  );
  await mkdir(path.join(folder, "page"));
  await writeFile(path.join(folder, "page/Dockerfile"), "FROM scratch\n");
  await writeFile(path.join(folder, "make"), `#!/bin/sh\n${script}\n`);
  await chmod(path.join(folder, "make"), 0o755);
}
const makeDeb = "mkdir -p dist && printf '!<arch>\\ndebian' >dist/worker.deb";

test("a missing package is named with the command that makes it, and then made", async () => {
  await writeProject(`${makeDeb}; echo made >&2`);
  const check = await hostkit("check");
  expect(check.exitCode).toBe(65);
  expect(check.stderr).toContain(
    "dist/worker.deb: it does not exist; `hostkit build worker` makes it",
  );
  const built = await hostkit("build");
  expect(built).toMatchObject({ exitCode: 0 });
  expect(built.stderr).toContain("$ ./make\nmade\n");
  expect(built.stdout).toMatch(/worker +dist\/worker.deb +14 B +changed/);
  expect(built.stdout).toMatch(/page +\.\/page .*as before/);
  expect((await hostkit("check")).exitCode).toBe(0);
});

test("--json says what was made, and nothing else", async () => {
  await writeProject(`${makeDeb}; echo noise; echo noise >&2`);
  const { exitCode, stdout, stderr } = await hostkit("build", "worker", "--json");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({
    products: [
      { service: "worker", kind: "deb", path: "dist/worker.deb", bytes: 14, changed: true },
    ],
  });
});

const failures: readonly (readonly [string, string, string])[] = [
  ["echo broken; exit 3", "./make failed", "it ended with status 3"],
  ["kill -TERM $$", "./make failed", "it was ended by SIGTERM"],
  ["true", "dist/worker.deb is still not there", "did not make it"],
];
test.each(failures)("%s", async (script, what, why) => {
  await writeProject(script);
  const { exitCode, stdout } = await hostkit("build", "--json");
  expect(exitCode).toBe(1);
  const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
  expect(error).toMatchObject({ code: "local_command_failed" });
  expect(error["what"]).toBe(what);
  expect(error["why"]).toContain(why);
  if (script.startsWith("echo")) expect(error["details"]).toEqual(["broken"]);
});

test("a command that is not there, or that may not be run", async () => {
  await writeProject("true");
  await chmod(path.join(folder, "make"), 0o644);
  const forbidden = await hostkit("build");
  // Root may run what nobody may, as far as the kernel is asked for the file; execve(2) still wants one x bit.
  expect(forbidden.stderr).toContain("next:  chmod +x ./make");
  await rm(path.join(folder, "make"));
  expect((await hostkit("build")).stderr).toContain("why:   ./make is not there");
});

test("no command, no service", async () => {
  const manifest = path.join(folder, "hostkit.yaml");
  await writeFile(
    manifest,
    "stack: none\nhosts: { one: {} }\nweb: { page: { build: ., port: 80 } }\n",
  );
  expect(await hostkit("build")).toMatchObject({
    exitCode: 64,
    stderr: expect.stringContaining("it has no build_command") as string,
  });
  expect((await hostkit("build", "pag")).stderr).toContain("it has: page");
  await writeFile(manifest, "stack: none\nhosts: { one: {} }\nservices: { r: { apt: redis } }\n");
  expect((await hostkit("build")).stderr).toContain("there is nothing to build here");
});

test("which commands make which services", () => {
  const { manifest } = parseManifest(
    `stack: made
build_command: all
hosts: { one: {} }
services: { worker: { package: worker.deb } }
web:
  api: { build: api, port: 80, build_command: api }
  page: { build: page, port: 80, build_command: page }
`,
    "hostkit.yaml",
  );
  if (manifest === undefined) throw new Error("the manifest is wrong");
  const words = (names?: string[]) =>
    listBuildCommands(manifest, names).map((command) => command.words.join(" "));
  expect(words()).toEqual(["all", "api", "page"]);
  expect(words(["api"])).toEqual(["api"]);
  expect(words(["page", "api"])).toEqual(["api", "page"]);
  expect(words(["worker"])).toEqual(["all"]);
  expect(words(["worker", "page"])).toEqual(["all", "page"]);
});
