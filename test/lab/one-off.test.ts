import { mkdir } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import type { Options } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setCable } from "../../src/lab/host.ts";
import type { LabOs } from "../../src/lab/systems.ts";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import { nodeImageTag } from "../../src/lab/node-image.ts";
import { makeProject, until } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";
import { succeed, writeSecrets } from "../harness/release-project.ts";

const cli = path.resolve(import.meta.dirname, "../../dist/cli.js");

/** Logs in to PostgreSQL by the socket, and prints what it says first: `R` and 0, "you are in". */
const login = `const s = require("node:net").connect(process.env.PGHOST + "/.s.PGSQL.5432");
const body = Buffer.from("\\0\\x03\\0\\0user\\0" + process.env.PGUSER + "\\0database\\0" + process.env.PGDATABASE + "\\0\\0", "latin1");
const size = Buffer.alloc(4); size.writeInt32BE(body.length + 4);
s.write(Buffer.concat([size, body]));
s.on("data", (d) => { console.log(String.fromCharCode(d[0]), d.readInt32BE(5)); process.exit(); });`;

/** What a shell, Docker and systemd each read something into. */
const words = [
  "a b",
  "",
  `'"\\`,
  "$HOME ${x} $$ `id` $(id)",
  "%n %% %i %",
  "a\nb\n",
  "-x",
  "--",
  "--help",
  "--json",
  "é 漢字 😀",
  "*",
  "~",
  "A=B",
  "#c",
  "\ttab ",
  ";|&>",
  "\\n\\t\\x41",
  "{{.ID}}",
];

const ways = [
  { way: "exec in a container", verb: "exec", service: "page" },
  { way: "run in a container of its own", verb: "run", service: "page" },
  { way: "exec beside a native service", verb: "exec", service: "worker" },
  { way: "run as a native service", verb: "run", service: "worker" },
] as const;

const isLong = process.env["HOSTKIT_LONG"] === "1";
const systems: readonly LabOs[] = isLong ? ["debian-13", "debian-12"] : ["debian-13"];

describe.for(systems)("one-off commands, on %s", { sequential: true }, (os) => {
  let project: LabProject;

  beforeAll(async () => {
    project = await makeProject(
      "one-off",
      os,
      `stack: shop
hosts: {}
database: { databases: { app: {} } }
services:
  worker: { exec: /usr/bin/sleep infinity, database: app, secrets: [TOKEN], env: { COLOUR: "blue $x %n" } }
web:
  page:
    build: page
    port: 8000
    health: { path: /, interval: 2s, timeout: 2s, grace: 20s }
    database: app
    secrets: [TOKEN]
    env: { COLOUR: "blue $x %n" }
    watch: none
    drain: 1s
host: { updates: none }
firewall: none
`,
    );
    await offerNodeImage(project.host);
    await mkdir(path.join(project.folder, "page"));
    await writeSecrets(project, "TOKEN=sesame-under-the-mat\n");
    await project.write("page/server.js", program);
    await project.write("page/Dockerfile", dockerfile());
    await succeed(project.hostkit("provision", "--yes"));
  });
  afterAll(() => project?.down());

  const program = `require("node:http").createServer((q, r) => r.end("ok")).listen(8000); process.on("SIGTERM", () => process.exit());\n`;
  const dockerfile = (more = "") =>
    `FROM ${nodeImageTag}\nCOPY server.js /\n${more}ENTRYPOINT ["env", "ENTERED=yes"]\nCMD ["node", "/server.js"]\n`;
  const withoutShell = `RUN ["node", "-e", "for (const f of ['sh', 'dash', 'bash']) fs.rmSync('/bin/' + f)"]\n`;
  const settings = () => ({
    cwd: project.folder,
    env: {
      HOME: project.folder,
      XDG_STATE_HOME: path.join(project.folder, ".state"),
      NO_COLOR: "1",
    },
    reject: false as const,
  });
  const hostkit = (args: readonly string[], options: Options = {}) =>
    execa("node", [cli, ...args], { ...settings(), input: "", ...options });
  /** `hostkit exec page --`, with these words of a shell. */
  const inShell = (
    { verb, service }: (typeof ways)[number],
    script: string,
    options: Options = {},
  ) => hostkit([verb, service, "--", "sh", "-c", script], options);
  const listed = async () => {
    const { stdout } = await project.hostkit("runs", "--json");
    return (JSON.parse(stdout) as { hosts: { commands: Record<string, unknown>[] }[] }).hosts[0]
      ?.commands;
  };
  /** On the host, in containers too. */
  const sleepers = async (seconds: number) =>
    Number(
      await project.onHost(
        `grep -lzx "[7]${String(seconds).slice(1)}" /proc/[0-9]*/cmdline 2>/dev/null | wc -l`,
      ),
    );

  test.for(ways)("$way: as the service is, and what it says comes back", async (way) => {
    const script = `id -u; echo "$COLOUR"; cat "$TOKEN_FILE"; echo; echo "entered:$ENTERED"; cat; echo apart >&2; exit 7`;
    const done = await inShell(way, script, { input: "by standard input\n" });
    const who = await project.onHost(`id -u shop-${way.service}`);
    const [user = "", ...rest] = String(done.stdout).split("\n");
    expect(user, String(done.stderr)).toBe(who);
    expect(rest).toEqual([
      "blue $x %n",
      "sesame-under-the-mat",
      `entered:${way.verb === "run" && way.service === "page" ? "yes" : ""}`,
      "by standard input",
    ]);
    expect(done.stderr).toBe("apart");
    expect(done.exitCode).toBe(7);
  });

  test.for(ways)("$way: logs in to its database", async ({ verb, service }) => {
    const done =
      service === "worker"
        ? await hostkit([verb, service, "--", "psql", "-Atc", "select current_user"])
        : await hostkit([verb, service, "--", "node", "-e", login]);
    expect(done.stdout, String(done.stderr)).toBe(service === "worker" ? "app_owner" : "R 0");
  });

  test.for(ways)("$way: every word as it was given", async ({ verb, service }) => {
    const show = 'for word do printf "<%s>" "$word"; done';
    const done = await hostkit([verb, service, "--", "sh", "-c", show, "sh", ...words]);
    expect(done.stdout, String(done.stderr)).toBe(words.map((word) => `<${word}>`).join(""));
  });

  // These two differ in how bytes and statuses travel; all four with HOSTKIT_LONG=1.
  const waysApart = isLong ? ways : [ways[0], ways[3]];
  test.for(waysApart)("$way: statuses, and a variable by its name", async (way) => {
    const { verb, service } = way;
    const value = 'va"l $x\nline 2';
    const [missing, folder, killed, variable] = await Promise.all([
      hostkit([verb, service, "--", "no-such-program"]),
      hostkit([verb, service, "--", "/etc/passwd"]),
      inShell(way, "kill -KILL $$"),
      hostkit([verb, service, "-e", "GIVEN", "--", "sh", "-c", 'printf %s "$GIVEN"'], {
        env: { ...settings().env, GIVEN: value },
      }),
    ]);
    expect([missing.exitCode, folder.exitCode, killed.exitCode]).toEqual([127, 126, 137]);
    expect(variable.stdout, String(variable.stderr)).toBe(value);
    expect(JSON.stringify(await listed())).not.toContain("line 2");
  });

  test.for(waysApart)(
    "$way: bytes through both pipes, and an early end",
    async ({ verb, service }) => {
      const make = `node -e 'const b = Buffer.alloc(1 << 20, 7); for (let i = 0; i < 64; i++) { b[i] = i * 3; require("fs").writeSync(1, b); }'`;
      const sum = "md5sum | cut -d' ' -f1";
      const { stdout } = await execa(
        "sh",
        [
          "-c",
          `${make} | ${sum}; ${make} | node "$1" ${verb} ${service} -- cat | ${sum}; ${make} | node "$1" ${verb} ${service} -- head -c 3 | od -An -tx1; node "$1" ${verb} ${service} -- yes | head -n 1`,
          "sh",
          cli,
        ],
        settings(),
      );
      const [here, there, head, yes] = String(stdout).split("\n");
      expect(there).toBe(here);
      expect([head, yes]).toEqual([" 00 07 07", "y"]);
    },
  );

  test("on a terminal: its size, Ctrl-C, and the size when it changes", async () => {
    const type = (line: string) => `sleep 0.7; printf '${line}'`;
    for (const { verb, service } of [ways[0], ways[3]]) {
      const shell = service === "page" ? "" : "-- bash";
      const keys = `until grep -q '[$] ' "$2"; do sleep 0.2; done; ${type("stty size; echo $TERM; sleep 7500\\r")}; ${type("\\003")}; ${type("stty size; exit 9\\r")}; sleep 5`;
      const inner = `stty rows 33 cols 101; t=$(tty); (until grep -q '33 101' seen; do sleep 0.1; done; stty rows 50 cols 132 <"$t") & TERM=xterm-256color node ${cli} ${verb} ${service} ${shell}`;
      await project.write("seen", "");
      const done = await execa(
        "bash",
        [
          "-c",
          `(${keys}) | script -qfec "$1" seen`,
          "bash",
          `bash -c '${inner.replaceAll("'", `'\\''`)}'`,
          "seen",
        ],
        settings(),
      );
      const seen = await project.read("seen");
      expect(seen).toContain("33 101");
      expect(seen).toContain("xterm-256color");
      expect(seen).toContain("50 132");
      expect(done.exitCode, seen).toBe(9);
      expect(await sleepers(7500)).toBe(0);
    }
  });

  test("all end with their controller, whatever they do against that", async () => {
    const all = ways.map((way, index) => ({ ...way, seconds: 7100 + index }));
    const running = all.map(({ verb, service, seconds }) => {
      const stubborn = `trap '' HUP TERM INT; (setsid sleep ${seconds} &); sleep ${seconds}; sleep ${seconds}`;
      return execa("node", [cli, verb, service, "--", "sh", "-c", stubborn], settings());
    });
    for (const { seconds, way } of all)
      await until(`${way} goes on`, async () => (await sleepers(seconds)) === 2);
    for (const one of running) one.kill("SIGKILL");
    for (const { seconds, way } of all)
      await until(`all of ${way} is gone`, async () => (await sleepers(seconds)) === 0, 20);
    await until(
      "their records say so",
      async () => ((await listed()) ?? []).slice(-4).every(({ state }) => state === "left"),
      20,
    );
    expect(await project.onHost("docker ps -a --format '{{.Names}}'")).toBe("shop-page-a");
    await until(
      "nothing is left",
      async () =>
        (await project.onHost(
          "ls /run/hostkit-one-off; ls /run/systemd/system | grep one-off || true",
        )) === "",
      10,
    );
  });

  test("Ctrl-C on pipes reaches the command", async () => {
    for (const way of [ways[0], ways[1]]) {
      const running = inShell(
        way,
        "trap 'echo caught; exit 3' INT; echo up; while :; do sleep 0.1; done",
      );
      await new Promise<void>((resolve) => running.stdout?.once("data", () => resolve()));
      running.kill("SIGINT");
      expect(await running).toMatchObject({ exitCode: 3, stdout: "up\ncaught" });
    }
  });

  test("detached: goes on by itself, can be followed and ended, and is listed", async () => {
    const started = await hostkit([
      "run",
      "page",
      "--detach",
      "--",
      "sh",
      "-c",
      "echo one; sleep 2; echo two >&2; exit 4",
    ]);
    const id = String(started.stdout);
    const followed = await hostkit(["attach", id]);
    expect(followed).toMatchObject({ exitCode: 4, stdout: "one\ntwo" });
    const long = await hostkit(["exec", "worker", "-d", "--json", "--", "sleep", "7200"]);
    const other = (JSON.parse(String(long.stdout)) as { id: string }).id;
    expect(await sleepers(7200)).toBe(1);
    expect((await listed())?.slice(-2)).toMatchObject([
      {
        id,
        verb: "run",
        service: "page",
        state: "ended",
        code: 4,
        detached: true,
        by: expect.stringContaining("@") as string,
      },
      { id: other, verb: "exec", service: "worker", state: "running", words: ["sleep", "7200"] },
    ]);
    expect((await hostkit(["stop", other])).exitCode).toBe(0);
    expect(await sleepers(7200)).toBe(0);
  });

  test.runIf(isLong)(
    "a cable that is pulled: ended on the host within seconds, and hostkit says so",
    async () => {
      const running = Promise.all([inShell(ways[0], "sleep 7400"), inShell(ways[3], "sleep 7401")]);
      await until("both run", async () => (await sleepers(7400)) + (await sleepers(7401)) === 2);
      await setCable(project.host.name, false);
      const ended = await running;
      for (const { exitCode, stderr } of ended) {
        expect(exitCode).toBe(125);
        expect(stderr).toContain("[host_unreachable]");
      }
      await setCable(project.host.name, true);
      await until(
        "both are gone",
        async () => (await sleepers(7400)) + (await sleepers(7401)) === 0,
        25,
      );
    },
  );

  test("a release ends exec and not run, which nobody finds by the service's name", async () => {
    const inside = inShell(ways[0], "sleep 7300");
    const apart = inShell(ways[1], "sleep 7301; echo survived");
    await until("both run", async () => (await sleepers(7300)) + (await sleepers(7301)) === 2);
    const address = "getent ahostsv4 page | sort -u | cut -d' ' -f1 | uniq | wc -l";
    expect((await inShell(ways[0], address)).stdout).toBe("1");
    await project.write("page/Dockerfile", dockerfile(withoutShell));
    await succeed(project.hostkit("provision", "--yes"));
    const ended = await inside;
    expect(ended.exitCode).toBe(137);
    expect(ended.stderr).toContain("the container ended under the command");
    expect(await sleepers(7301)).toBe(1);
    await project.onHost(
      "pkill -x -f 'sleep 7301' || kill $(grep -lzx 7301 /proc/[0-9]*/cmdline | tr -dc '0-9\\n')",
    );
    expect((await apart).stdout).toBe("survived");
    // The new one has no shell.
    for (const verb of ["exec", "run"]) {
      const { exitCode, stderr } = await hostkit([verb, "page"]);
      expect(stderr).toContain("the image of page has no shell");
      expect(exitCode).toBe(125);
      expect((await hostkit([verb, "page", "--", "node", "-p", "1+1"])).stdout).toBe("2");
    }
  });

  test("what cannot run says why, and its status is not a command's", async () => {
    await project.onHost("systemctl stop shop-page-b shop-worker");
    for (const service of ["page", "worker"]) {
      const { exitCode, stderr } = await hostkit(["exec", service, "--", "true"]);
      expect(stderr).toContain(`${service} does not run`);
      expect(exitCode).toBe(125);
    }
    expect((await hostkit(["run", "page", "--", "true"])).exitCode).toBe(0);
    expect((await hostkit(["run", "worker", "--", "true"])).exitCode).toBe(0);
  });
});
