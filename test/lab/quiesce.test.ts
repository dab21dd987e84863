import { chmod, mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import { nodeImageTag } from "../../src/lab/node-image.ts";
import type { LabOs } from "../../src/lab/systems.ts";
import { powerOffLabHost, powerOnLabHost } from "../../src/lab/host.ts";
import { makeProject, until } from "../harness/lab-project.ts";
import type { CliResult, LabProject } from "../harness/lab-project.ts";

const os = (process.env["HOSTKIT_TEST_OS"] ?? "debian-13") as LabOs;

/**
 * One transaction after the other into SQLite, as fast as it goes: a row in each of two tables, and every hundredth time all of one is
 * rewritten. `n` has no gaps and both tables the same rows, at every moment that SQLite calls one. Numbers that are committed go to /data/committed.
 */
const sqliteWriter = `const { spawn } = require("child_process");
const run = (file, mode) => {
  const db = spawn("sqlite3", ["-batch", file], { stdio: ["pipe", "pipe", "inherit"] });
  db.stdin.write(".timeout 20000\\npragma journal_mode=" + mode + ";\\ncreate table if not exists a (n integer primary key, t text); create table if not exists b (n integer primary key, t text);\\n");
  db.stdin.write("select max(n) from a;\\n");
  let n = 0, first = true;
  const next = () => {
    n += 1;
    const rewrite = n % 100 === 0 ? "update a set t = t || 'x';" : "";
    db.stdin.write("begin immediate; insert into a values (" + n + ", hex(randomblob(200))); insert into b select n, t from a where n = " + n + ";" + rewrite + " commit; select 'done';\\n");
  };
  let rest = "";
  db.stdout.on("data", (chunk) => {
    rest += chunk;
    let end;
    while ((end = rest.indexOf("\\n")) !== -1) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (first && /^\\d*$/.test(line)) { n = Number(line || 0); first = false; next(); }
      else if (line === "done") setTimeout(next, mode === "wal" ? 2 : 50);
    }
  });
  db.on("exit", () => process.exit(1));
};
run("/data/live.db", "wal");
run("/data/odd names/old 50%?#.sqlite", "delete");
setInterval(() => require("fs").writeFileSync("/data/plain", String(Date.now())), 20);
`;

/** Two files that belong together: the same number in both, but for a moment. */
const pairWriter = `const fs = require("fs");
let n = 0, open = true;
fs.mkdirSync("/pair/one", { recursive: true });
const tick = () => {
  if (fs.existsSync("/pair/closed") !== !open) { open = !open; }
  if (open) {
    n += 1;
    fs.writeFileSync("/pair/one/left", String(n).repeat(2000));
    fs.writeFileSync("/stopped/left", String(n).repeat(2000));
    fs.writeFileSync("/pair/right", String(n).repeat(2000));
    fs.writeFileSync("/also/right", String(n).repeat(2000));
  }
  setTimeout(tick, 4);
};
tick();
process.on("SIGTERM", () => process.exit());
`;

const manifest = `stack: rest
hosts: {}
services:
  writer: { build: writer, volumes: [data:/data] }
  pair: { build: pair, volumes: [pair:/pair, stopped:/stopped, also:/also] }
  cache: { build: cache, volumes: [store:/store], secrets: [CACHE_PASSWORD] }
backups:
  repositories: { local: { path: /var/backups/rest } }
  files:
    volumes:
      - { name: data, quiesce: sqlite }
      - { name: stopped, quiesce: stop }
      - { name: also, quiesce: stop }
      - { name: pair, quiesce: { command: [node, /gate.js, close], after: [node, /gate.js, open] } }
      - { name: store, quiesce: redis, password: CACHE_PASSWORD }
host: { updates: none }
firewall: none
`;

const gate = `const fs = require("fs");
if (process.argv[2] === "open") fs.rmSync("/pair/closed", { force: true });
else { fs.writeFileSync("/pair/closed", ""); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200); }
`;

/** A counter and a list that grows with it, in one transaction of the server. */
const cacheStart = `const { spawn } = require("child_process");
const fs = require("fs");
const password = fs.readFileSync("/run/secrets/CACHE_PASSWORD", "utf8").trim();
fs.writeFileSync("/tmp/conf", "dir /store\\nport 6379\\nsave \\"\\"\\nappendonly " + (fs.existsSync("/store/log") ? "yes" : "no") + "\\nrequirepass " + JSON.stringify(password) + "\\n");
const server = spawn("valkey-server", ["/tmp/conf"], { stdio: "inherit" });
server.on("exit", () => process.exit(1));
process.on("SIGTERM", () => server.kill("SIGTERM"));
const env = { ...process.env, REDISCLI_AUTH: password, VALKEYCLI_AUTH: password };
setTimeout(() => {
  const cli = spawn("valkey-cli", [], { env, stdio: ["pipe", "pipe", "inherit"] });
  let rest = "";
  const next = () => cli.stdin.write("EVAL \\"local n = redis.call('incr', 'n') redis.call('rpush', 'all', n) return 'done'\\" 0\\n");
  cli.stdout.on("data", (chunk) => { if (String(chunk).includes("done")) setTimeout(next, 2); });
  next();
}, 1000);
`;

const volume = (name: string): string => `/var/lib/docker/volumes/hostkit-rest-${name}/_data`;
const copies = "/var/lib/hostkit/rest/quiesced";

describe(`volumes of programs that write all the time, on ${os}`, { sequential: true }, () => {
  let project: LabProject;

  beforeAll(async () => {
    project = await makeProject("quiesce", os, manifest, ["attr", "sqlite3"]);
    await offerNodeImage(project.host, undefined, ["sqlite3", "valkey-server"]);
    const build = async (name: string, files: Readonly<Record<string, string>>): Promise<void> => {
      await mkdir(path.join(project.folder, name));
      const copy = Object.keys(files).map((file) => `COPY ${file} /`);
      await project.write(
        `${name}/Dockerfile`,
        [`FROM ${nodeImageTag}`, ...copy, `CMD ["node", "/main.js"]`, ""].join("\n"),
      );
      for (const [file, text] of Object.entries(files))
        await project.write(`${name}/${file}`, text);
    };
    await build("writer", {
      "main.js": `require("fs").mkdirSync("/data/odd names", { recursive: true });\n${sqliteWriter}`,
    });
    await build("pair", { "main.js": pairWriter, "gate.js": gate });
    await build("cache", { "main.js": cacheStart });
    await mkdir(path.join(project.folder, ".hostkit"), { mode: 0o700 });
    await project.write(".hostkit/secrets", "CACHE_PASSWORD=open sesame's\n");
    await chmod(path.join(project.folder, ".hostkit/secrets"), 0o600);
    await succeed(project.hostkit("provision", "--yes"));
  });
  afterAll(() => project?.down());

  const succeed = async (result: Promise<CliResult>): Promise<CliResult> => {
    const done = await result;
    expect(done.exitCode, done.stdout + done.stderr).toBe(0);
    return done;
  };
  const backUp = (): Promise<CliResult> => succeed(project.hostkit("backup", "run", "files"));
  const bringBack = async (name: string, into: string): Promise<string> => {
    await succeed(project.hostkit("restore", "volume", name, "--into", into, "--yes"));
    return `${into}/${name}`;
  };
  const ask = (file: string, question: string): Promise<string> =>
    project.onHost(`sqlite3 -batch -cmd ".timeout 20000" ${file} "${question}"`);
  const isActive = async (unit: string): Promise<boolean> =>
    (await project.tryOnHost(`systemctl is-active ${unit}`)).exitCode === 0;
  const nothingLeft = async (): Promise<void> => {
    expect(await project.onHost(`find ${copies}/volumes -mindepth 2; ls ${copies}/sqlite`)).toBe(
      "",
    );
    expect(await project.onHost(`ls ${copies} | grep -E 'stopped|begun' || :`)).toBe("");
  };
  const nothingStandsStill = async (): Promise<void> => {
    await until("it runs again, and the copies are gone", async () => {
      const left = await project.tryOnHost(`find ${copies}/volumes -mindepth 2`);
      return (await isActive("rest-pair-a")) && left.stdout === "" && left.exitCode === 0;
    });
    expect(await project.onHost(`ls ${volume("pair")}`)).not.toContain("closed");
  };
  /** Starts the backup and returns when what writes to `also` and `stopped` stands still for it: what copies is halted there. */
  const waitForRest = async (): Promise<void> => {
    await project.onHost(
      `systemctl reset-failed rest-backup-files 2>/dev/null; systemctl start --no-block rest-backup-files`,
    );
    await project.onHost(
      `for i in $(seq 300); do if [ -e ${copies}/also.stopped ] && [ "$(systemctl is-active rest-pair-a)" != active ]; then systemctl kill -s STOP rest-quiesce@also; exit; fi; sleep 0.1; done; exit 1`,
    );
  };
  const askCache = (question: string): Promise<string> =>
    project.onHost(
      `REDISCLI_AUTH="open sesame's" VALKEYCLI_AUTH="open sesame's" docker exec -e REDISCLI_AUTH -e VALKEYCLI_AUTH rest-cache-a valkey-cli ${question}`,
    );
  const databases = ["live.db", "'odd names/old 50%?#.sqlite'"];
  const before = { rows: [] as number[], count: 0 };

  test("SQLite, with a WAL and without: what comes back is whole, a beginning of what was committed, and newer than the backup's begin", async () => {
    for (const file of databases)
      await until(
        `rows are in ${file}`,
        async () => Number(await ask(`${volume("data")}/${file}`, "select count(*) from a")) > 120,
      );
    await project.onHost(
      `cd ${volume("data")}; ln -s /etc/hostname planted.db; ln -s /etc planted; echo x >one; ln one two; truncate -s 64M holes; setfattr -n user.of -v me one; chown 4321:4322 holes; mkfifo pipe`,
    );
    await until("it counts", async () => Number(await askCache("GET n")) > 200);
    for (const file of databases)
      before.rows.push(Number(await ask(`${volume("data")}/${file}`, "select max(n) from a")));
    before.count = Number(await askCache("GET n"));
    await backUp();
    await nothingLeft();
    const back = await bringBack("data", "/srv/one");
    expect(
      await project.onHost(`find ${back} -name '*-wal' -o -name '*-shm' -o -name '*-journal'`),
    ).toBe("");
    expect(await project.onHost(`stat -c '%u %g %a' ${back}/live.db`)).toBe(
      await project.onHost(`stat -c '%u %g %a' ${volume("data")}/live.db`),
    );
    for (const [index, file] of databases.entries()) {
      expect(await ask(`${back}/${file}`, "pragma integrity_check")).toBe("ok");
      const [count = 0, last = 0, same = 0, gone = 1, torn = 1] = (
        await ask(
          `${back}/${file}`,
          "select count(*), max(n), (select count(*) from a join b using (n)), (select count(*) from b where n not in (select n from a)), (select count(*) from a where length(t) <> 400 + (select max(n) / 100 from a) - (n - 1) / 100) from a",
        )
      )
        .split("|")
        .map(Number);
      expect({ count, same, gone, torn }).toEqual({ count: last, same: last, gone: 0, torn: 0 });
      expect(last).toBeGreaterThanOrEqual(before.rows[index] ?? Number.NaN);
    }
    expect(await isActive("rest-writer-a")).toBe(true);
    // SQLite's own files beside a database belong to the program.
    expect(await project.onHost(`find ${volume("data")} -user root -name '*.db-*'`)).toBe("");
    expect(
      await project.onHost(
        `cd ${back}; readlink planted.db planted; [ one -ef two ] && [ -p pipe ] && stat -c '%u %g %s' holes; [ "$(stat -c %b holes)" -lt 64 ] && echo sparse; getfattr --only-values -n user.of one`,
      ),
    ).toBe("/etc/hostname\n/etc\n4321 4322 67108864\nsparse\nme");
  });

  test("stop: two volumes of one service at one moment; the pause is told", async () => {
    const back = [await bringBack("stopped", "/srv/one"), await bringBack("also", "/srv/one")];
    expect(await project.onHost(`cat ${back[0]}/left`)).toBe(
      await project.onHost(`cat ${back[1]}/right`),
    );
    expect(await isActive("rest-pair-a")).toBe(true);
    const status = await project.hostkit("status");
    expect(status.stdout).toMatch(/what writes to also stopped stood still for \d+(\.\d)? s/);
  });

  test("a command before and one after: nothing is written in between, and the gate is open again", async () => {
    const back = await bringBack("pair", "/srv/one");
    expect(await project.onHost(`cat ${back}/one/left`)).toBe(
      await project.onHost(`cat ${back}/right`),
    );
    expect(await project.onHost(`ls ${volume("pair")}`)).not.toContain("closed");
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "Valkey: what it saved comes back whole; with its log as well",
    async () => {
      for (const log of [false, true]) {
        if (log) {
          await project.onHost(`touch ${volume("store")}/log; systemctl restart rest-cache-a`);
          await until(
            "it writes a log",
            async () =>
              Number(
                (await project.tryOnHost(`ls ${volume("store")}/appendonlydir | wc -l`)).stdout,
              ) > 2,
          );
          await until("it counts", async () => Number(await askCache("GET n")) > 200);
          before.count = Number(await askCache("GET n"));
          await backUp();
        }
        const back = await bringBack("store", `/srv/store-${log}`);
        const run = `docker run -d --rm --name look --user 0 -v ${back}:/store ${nodeImageTag} valkey-server --dir /store --appendonly ${log ? "yes" : "no"}`;
        await project.onHost(`docker rm -f look 2>/dev/null; ${run}`);
        await until("it has loaded", async () =>
          (await project.tryOnHost("docker exec look valkey-cli PING")).stdout.includes("PONG"),
        );
        const [count, length, last] = (
          await project.onHost(
            "for q in 'GET n' 'LLEN all' 'LINDEX all -1'; do docker exec look valkey-cli $q; done; docker rm -f look >/dev/null",
          )
        ).split("\n");
        expect(Number(count)).toBeGreaterThanOrEqual(before.count);
        expect([length, last]).toEqual([count, count]);
      }
      expect(
        await project.onHost(
          "journalctl -o cat -u 'rest-quiesce@*' -u rest-backup-files | grep -c sesame || :",
        ),
      ).toBe("0");
    },
  );

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "killed while a service stands still, both units in turn: it runs again, the copies go; a run that begins then is refused",
    async () => {
      await waitForRest();
      const refused = await project.hostkit("restart", "pair");
      expect(refused.exitCode).not.toBe(0);
      expect(refused.stdout + refused.stderr).toContain("run_locked");
      await project.onHost("systemctl kill -s KILL rest-quiesce@also.service");
      await nothingStandsStill();
      expect((await project.hostkit("status")).exitCode).not.toBe(0);
      await waitForRest();
      await project.onHost("systemctl kill -s KILL rest-backup-files.service");
      await nothingStandsStill();
    },
  );

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "a power cut while a service stands still: it starts with the host, and the next backup clears up",
    async () => {
      await waitForRest();
      await powerOffLabHost(project.host.name);
      await powerOnLabHost(project.host.name);
      await until("it runs again", () => isActive("rest-pair-a"));
      await backUp();
      await nothingLeft();
      expect(await project.hostkit("status")).toMatchObject({ exitCode: 0 });
      expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
    },
  );

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "what cannot be made consistent is a backup that failed, with the first cause; no folder is made for a volume that is not there",
    async () => {
      await project.edit([
        ["backups", "files", "volumes", 3, "quiesce", "command"],
        ["node", "-e", "console.log('no room for a dump'); process.exit(3)"],
      ]);
      await succeed(project.hostkit("provision", "--yes"));
      expect((await project.hostkit("backup", "run", "files")).exitCode).not.toBe(0);
      expect((await project.hostkit("status")).stdout).toContain("no room for a dump");
      expect(await project.onHost(`ls ${volume("pair")}`)).not.toContain("closed");
      await nothingLeft();

      await project.onHost(
        String.raw`cd ${volume("data")}; head -c 8192 /dev/urandom >secret.db; printf '\067\177\006\202aaaaaaaaaaaaaaaa' >secret.db-wal`,
      );
      expect((await project.tryOnHost("systemctl start rest-quiesce@data")).exitCode).not.toBe(0);
      expect(await project.onHost(`cat ${copies}/data.cause`)).toContain("is it encrypted?");

      await project.onHost(
        "systemctl stop rest-cache-a; docker rm -f rest-cache-a 2>/dev/null; docker volume rm hostkit-rest-store",
      );
      expect(await project.tryOnHost("systemctl start rest-quiesce@store")).not.toMatchObject({
        exitCode: 0,
      });
      expect(await project.onHost(`cat ${copies}/store.cause`)).toContain(
        "the volume store is not there",
      );
      await project.tryOnHost("systemctl start rest-backup-files");
      expect(await project.onHost("ls /var/lib/docker/volumes")).not.toContain(
        "hostkit-rest-store",
      );
    },
  );
});
