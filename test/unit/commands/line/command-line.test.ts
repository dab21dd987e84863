import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readVersion } from "../../../../src/local/templates.ts";
import { runHostkit } from "../../../harness/run-hostkit.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-cli-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const hostkit = (...words: string[]) => runHostkit(words, { workingDirectory: folder });
const manifest = (text: string, name = "hostkit.yaml") => writeFile(path.join(folder, name), text);
const minimal = "stack: tiny\nhosts: { one: { address: one.invalid } }\n";

describe("exit codes and messages", () => {
  const cases: readonly (readonly [string, number, string])[] = [
    ["--version", 0, ""],
    ["--help", 0, ""],
    ["help plan", 0, ""],
    ["", 64, "Usage: hostkit VERB"],
    [
      "pln",
      64,
      "error: unknown command 'pln' [usage]\n  why:   Did you mean plan?\n  next:  hostkit --help",
    ],
    [
      "check --fiel x",
      64,
      "unknown option '--fiel' [usage]\n  why:   Did you mean --file?\n  next:  hostkit check --help",
    ],
    ["recover", 64, "hostkit restore --help   then docs/recovery.md"],
    ["backup restore", 64, "hostkit restore --help   then docs/recovery.md"],
    ["rollback", 64, "next:  hostkit rollback --help"],
    ["undo", 64, "hostkit plan"],
    ["ship", 64, "or: hostkit deploy SERVICE"],
    ["up", 64, "then: hostkit provision"],
    ["ssh dx1", 64, "ssh HOST"],
    ["exec api sh", 125, "hostkit exec api -- sh"],
    ["shell api", 64, "ssh HOST"],
    ["ps", 64, "hostkit status"],
    ["destroy --yes", 64, "hostkit uninstall --help"],
    ["unlock", 64, "hostkit attach"],
    ["diff", 64, "hostkit plan"],
    ["help me", 64, "Usage: hostkit VERB"],
    ["lab upp", 64, "unknown command 'upp'"],
    ["schema extra", 64, "hostkit schema --help"],
    ["completion", 64, "missing required argument 'SHELL'"],
    ["completion tcsh", 64, 'there is no completion for "tcsh"'],
    ["plan --lab=windows", 1, "--lab=debian-12 or --lab=debian-13"],
    ["plan --lab debian-11", 1, "--lab=debian-12 or --lab=debian-13"],
    ["plan --lab debian-12", 1, "file_missing"],
    ["provision --lab check", 64, "too many arguments for 'provision'"],
    ["logs -n many", 64, "It is a number of lines"],
    ["init --stack nope", 64, "hostkit brings: dxcluster, minimal"],
    ["check", 65, "next:  `hostkit init` writes one"],
    ["plan", 1, "file_missing"],
    ["provision", 65, "file_missing"],
    ["status -f other.yaml", 65, "the manifest other.yaml cannot be read"],
  ];
  test.each(cases)("hostkit %s → %i", async (line, exitCode, message) => {
    const result = await hostkit(...line.split(" ").filter(Boolean));
    expect(result.stderr).toContain(message);
    expect(result.exitCode).toBe(exitCode);
  });

  test("--version prints the package's version", async () => {
    expect((await hostkit("--version")).stdout).toBe(`${readVersion()}\n`);
  });

  test.each(["check", "plan", "provision", "status"])(
    "%s --json tells errors as one JSON object",
    async (verb) => {
      const result = await hostkit(verb, "--json");
      expect(result.stderr).toBe("");
      const { error } = JSON.parse(result.stdout) as { error: Record<string, unknown> };
      expect(error).toMatchObject({ code: "file_missing", exitCode: result.exitCode });
      expect(error["what"]).toContain("hostkit.yaml");
    },
  );

  test("a host that the manifest does not have", async () => {
    await manifest(minimal);
    const result = await hostkit("status", "--host", "two");
    expect(result).toMatchObject({ exitCode: 64 });
    expect(result.stderr).toContain("its hosts are: one");
  });

  test("a host that cannot be reached", async () => {
    await manifest(minimal);
    expect(await hostkit("provision", "--yes")).toMatchObject({
      exitCode: 69,
      stderr: expect.stringContaining("one.invalid") as string,
    });
    expect(await hostkit("plan")).toMatchObject({ exitCode: 1 });
  });

  test("several hosts that cannot be reached are all named", async () => {
    await manifest(
      "stack: tiny\nhosts: { one: { address: one.invalid }, two: { address: two.invalid } }\n",
    );
    const { stderr } = await hostkit("provision", "--yes");
    expect(stderr).toContain("one.invalid");
    expect(stderr).toContain("also two:");
  });

  test("a log that cannot be written stops nobody who did not ask for it", async () => {
    await manifest(minimal);
    const environment = { XDG_STATE_HOME: "/dev/null" };
    const run = (...words: string[]) =>
      runHostkit(words, { workingDirectory: folder, environment });
    const without = await run("status");
    expect(without).toMatchObject({ exitCode: 69 });
    expect(without.stderr).toContain("no log is kept");
    const asked = await run("status", "--log", "/dev/null/log");
    expect(asked).toMatchObject({ exitCode: 64 });
    expect(asked.stderr).toContain("/dev/null/log cannot be written");
    expect(await run("status", "--log", "mine.log")).toMatchObject({ exitCode: 69 });
    expect(await readFile(path.join(folder, "mine.log"), "utf8")).toContain("host_unreachable");
  });

  test("global options may stand before the verb", async () => {
    await manifest("stack: tiny\nhosts: { one: { address: one.invalid } }\n", "mine.yaml");
    expect(await hostkit("-f", "mine.yaml", "check")).toMatchObject({ exitCode: 0 });
    expect(await hostkit("--json", "check", "-f", "mine.yaml")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('"ok": true') as string,
    });
  });
});

describe("check", () => {
  test("names every missing file with its place, and exits 65", async () => {
    await manifest(`stack: tiny
hosts: { one: { address: one.invalid } }
database:
  databases: { d: { owner: o, migrations: sql } }
services:
  worker: { package: dist/worker.deb, secrets: [TOKEN] }
web:
  api: { build: ./api, port: 8080, env_file: api.env }
`);
    await mkdir(path.join(folder, "sql"));
    for (const name of ["0001_a.sql", "1_b.sql", "later.sql", "README.md"]) {
      await writeFile(path.join(folder, "sql", name), "select 1;");
    }
    const { exitCode, stderr } = await hostkit("check");
    expect(exitCode).toBe(65);
    expect(stderr).toContain(
      "hostkit.yaml:4:43 database.databases.d.migrations: sql: 0001_a.sql and 1_b.sql have the same number 1",
    );
    expect(stderr).not.toContain("Dockerfile");
    expect(stderr).toContain("later.sql has no number");
    expect(stderr).toContain(
      "hostkit.yaml:6:22 services.worker.package: the package dist/worker.deb: it does not exist",
    );
    expect(stderr).toContain("web.api.build: the build context ./api: it does not exist");
    expect(stderr).toContain("web.api.env_file: the env file api.env: it does not exist");
    expect(stderr).toContain("warning: services.worker.secrets[0]: the secret TOKEN has no value");
  });

  test("names missing files beside keys and references that are wrong", async () => {
    await manifest(`stack: tiny
hosts: { one: { address: one.invalid, colour: red } }
services:
  worker: { package: dist/worker.deb, after: [nobody] }
web:
  api: { build: ./api, port: none }
`);
    const { exitCode, stderr } = await hostkit("check");
    expect(exitCode).toBe(65);
    for (const path of ["hosts.one.colour", "services.worker.after[0]", "web.api.port"])
      expect(stderr).toContain(` ${path}: `);
    expect(stderr).toContain("the package dist/worker.deb: it does not exist");
  });

  test("a file that only calls itself a package", async () => {
    await manifest(`${minimal}services: { worker: { package: worker.deb } }\n`);
    await writeFile(path.join(folder, "worker.deb"), "not really");
    expect((await hostkit("check")).stderr).toContain("worker.deb is not a Debian package");
  });

  test("secrets that are missing only warn", async () => {
    await manifest(
      `${minimal}web: { api: { image: "a/b@sha256:${"0".repeat(64)}", port: 80, secrets: [TOKEN] } }\n`,
    );
    const result = await hostkit("check");
    expect(result.exitCode).toBe(0);
    expect(result.stderr).toContain("TOKEN");
    expect(result.stdout).toContain("stack tiny with 1 host, 1 web service");
  });
});

describe("init", () => {
  test("writes a manifest that check accepts, and never overwrites it", async () => {
    expect(await hostkit("init")).toMatchObject({ exitCode: 0 });
    expect(await hostkit("check")).toMatchObject({ exitCode: 0 });
    await writeFile(path.join(folder, "hostkit.yaml"), "mine");
    const again = await hostkit("init");
    expect(again.exitCode).toBe(64);
    expect(again.stderr).toContain("hostkit.yaml would be overwritten");
    expect(await readFile(path.join(folder, "hostkit.yaml"), "utf8")).toBe("mine");
  });

  test("one file that is in the way keeps all others from being written", async () => {
    await mkdir(path.join(folder, "cluster"));
    await writeFile(path.join(folder, "cluster/package.json"), "mine");
    expect(await hostkit("init", "--stack", "dxcluster", "cluster")).toMatchObject({
      exitCode: 64,
    });
    expect(await readdir(path.join(folder, "cluster"))).toEqual(["package.json"]);
  });

  test("copies a whole stack into a new folder, without what was built or installed in it", async () => {
    expect(await hostkit("init", "--stack", "dxcluster", "a/b")).toMatchObject({ exitCode: 0 });
    const files = await readdir(path.join(folder, "a/b"), { recursive: true });
    expect(files).toContain("package.json");
    expect(files.filter((file) => /(^|\/)(node_modules|dist)(\/|$)/.test(file))).toEqual([]);
  });
});

test("schema prints a JSON Schema", async () => {
  const { stdout } = await hostkit("schema");
  expect(JSON.parse(stdout)).toMatchObject({
    type: "object",
    required: expect.arrayContaining(["stack"]) as string[],
  });
});

test("nothing is coloured without a terminal, everything may be with FORCE_COLOR, nothing with NO_COLOR", async () => {
  await manifest(minimal);
  const run = async (environment: Record<string, string>, ...words: string[]) =>
    (
      await runHostkit(["check", ...words], { workingDirectory: folder, environment })
    ).stdout.includes("\u001b[");
  expect(await run({})).toBe(false);
  expect(await run({ FORCE_COLOR: "1" })).toBe(true);
  expect(await run({ FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(false);
  expect(await run({ FORCE_COLOR: "1" }, "--no-color")).toBe(false);
});
