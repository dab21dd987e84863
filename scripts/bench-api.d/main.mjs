/** The run of scripts/bench-api. */
import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { explain } from "./explain.mjs";
import { listen } from "./listen.mjs";
import { ask, askInTurn, get, look, quantile } from "./load.mjs";
import { paths, questions, worst } from "./questions.mjs";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    explain: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    spots: { type: "string", default: "10000000" },
    rate: { type: "string", default: "200" },
    seconds: { type: "string", default: "60" },
    clients: { type: "string", default: "500" },
    inserts: { type: "string", default: "20" },
  },
});
const [spots, rate, seconds, clients, inserts] = [
  ...["spots", "rate", "seconds", "clients", "inserts"],
].map((name) => {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < (name === "inserts" ? 0 : 1))
    fail(`--${name} must be a whole number`);
  return value;
});

const name = "api-bench";
const stack = "templates/stacks/dxcluster";
const here = import.meta.dirname;

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}
function say(text) {
  process.stderr.write(`${text}\n`);
}

if (!fs.existsSync(`${stack}/api/dist/server.cjs`)) fail("the API is not built: scripts/prepare");
say("a lab host with PostgreSQL and Node.js …");
const [host] = JSON.parse(
  execFileSync(
    process.execPath,
    ["dist/cli.js", "lab", "up", name, "--os", "debian-13", "--json"],
    {
      stdio: ["ignore", "pipe", "ignore"],
      encoding: "utf8",
    },
  ),
).hosts;
const login = [
  "-i",
  host.keyPath,
  "-o",
  `UserKnownHostsFile=${host.knownHostsPath}`,
  "-o",
  "LogLevel=ERROR",
  `root@${host.address}`,
];

/** Runs shell text on the host; `input` is its standard input. */
function onHost(text, input) {
  return execFileSync("ssh", [...login, `set -e; ${text}`], {
    input: input ?? "",
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["pipe", "pipe", "inherit"],
  });
}
const psql = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d";

async function main() {
  onHost(`
    dpkg-query -W postgresql nodejs >/dev/null 2>&1 || {
      export DEBIAN_FRONTEND=noninteractive
      apt-get update -qq
      apt-get install -y -qq --no-install-recommends postgresql nodejs >/dev/null 2>&1
    }
    systemctl start postgresql.service
    for i in $(seq 50); do ${psql} postgres -c 'select 1' >/dev/null 2>&1 && break; sleep 0.2; done
    ${psql} postgres -c "alter system set max_wal_size = '8GB'" -c 'select pg_reload_conf()' >/dev/null
    id dx_reader >/dev/null 2>&1 || useradd --system dx_reader`);
  prepare();
  startApi();
  const base = `http://${host.address}:8080`;
  await waitFor(base);

  // The first minute after a start reads from the disk.
  const seen = await look(base);
  await ask(base, seen, { rate, seconds: Math.min(10, seconds), seed: 1 });
  say(`${rate} requests a second for ${seconds} s …`);
  const stopInserting = insertSpots();
  const before = readCpu();
  const load = await ask(base, seen, { rate, seconds, seed: 2 });
  const after = readCpu();
  await stopInserting();
  say(`${clients} listeners …`);
  const stream = await measureStream(base);
  say("the other paths, and the worst questions …");
  const others = [];
  for (const path of paths) others.push(await askInTurn(base, path, 5));
  const hard = [];
  for (const query of worst) hard.push(await askInTurn(base, `/api/spots?${query}`, 5));
  const all = [...load.times.values()].flat();
  const result = {
    spots,
    rate,
    inserts_per_second: inserts,
    requests: all.length,
    requests_per_second: Math.round(all.length / load.seconds),
    failures: load.failures,
    megabytes: Math.round(load.bytes / 1e6),
    p50_ms: quantile(all, 0.5),
    p99_ms: quantile(all, 0.99),
    most_ms: quantile(all, 1),
    // What it costs, however busy the machine is with other things.
    api_cpu_ms: Math.round(((after.api - before.api) / all.length) * 100) / 100,
    postgresql_cpu_ms:
      Math.round(((after.postgresql - before.postgresql) / all.length) * 100) / 100,
    // Of both processors, everything on this machine taken together.
    busy_percent: percent(
      after.all - after.idle - before.all + before.idle,
      after.all - before.all,
    ),
    stolen_percent: percent(after.stolen - before.stolen, after.all - before.all),
    asking_cpu_ms: Math.round((load.cpuMs / all.length) * 100) / 100,
    asked_late_p99_ms: quantile(load.late, 0.99),
    questions: questions.flatMap(({ name: question }) => {
      const times = load.times.get(question);
      return times === undefined
        ? []
        : [
            {
              question,
              count: times.length,
              p50_ms: quantile(times, 0.5),
              p99_ms: quantile(times, 0.99),
            },
          ];
    }),
    paths: others,
    worst: hard,
    stream: {
      listeners: clients,
      spots: stream.latest.length,
      first_p50_ms: quantile(stream.first, 0.5),
      last_p50_ms: quantile(stream.latest, 0.5),
      last_most_ms: quantile(stream.latest, 1),
    },
    api_megabytes: Math.round(
      Number(
        onHost(
          "awk '/VmHWM/ { print $2 }' /proc/$(systemctl show -p MainPID --value api-bench)/status",
        ),
      ) / 1024,
    ),
    postgresql: onHost(`${psql} postgres -c 'show server_version'`).trim().split(" ")[0],
  };
  report(result);
  if (options.explain) await explain(base, (sql) => onHost(`${psql} dxcluster -f -`, sql));
  if (!options.keep)
    execFileSync(process.execPath, ["dist/cli.js", "lab", "down", name], { stdio: "ignore" });
}

/** Makes the spots, unless the host has them from a run before; what has been added to the migrations since is run there, too. */
function prepare() {
  const there = onHost(
    `${psql} dxcluster -c 'select count(*) from dx_spots' 2>/dev/null || echo 0`,
  ).trim();
  const isThere = Number(there) >= spots && Number(there) < spots + 100_000;
  onHost(
    `rm -rf /root/bench; mkdir -p /root/bench; chmod 755 /root /root/bench; tar -C /root/bench -xf -; chmod -R a+rX /root/bench`,
    execFileSync("tar", ["-cf", "-", "-C", `${stack}/db`, "migrations", "-C", here, "fill.sql"]),
  );
  if (!isThere)
    onHost(`
    systemctl stop api-bench 2>/dev/null || true
    ${psql} postgres -c 'drop database if exists dxcluster' -c 'drop role if exists dx_reader' -c 'create role dx_reader login' -c 'create database dxcluster'
    ${psql} dxcluster -c 'create extension pg_trgm' -c 'create schema bench' -c 'create table bench.migrations (name text)'`);
  onHost(`
    for file in /root/bench/migrations/*.sql; do
      name=\${file##*/}
      [ "$(${psql} dxcluster -c "select count(*) from bench.migrations where name = '$name'")" = 0 ] || continue
      ${psql} dxcluster -1 -f $file >/dev/null
      ${psql} dxcluster -c "insert into bench.migrations values ('$name')"
    done
    ${psql} dxcluster -c 'revoke all on all tables in schema public from dx_reader'`);
  for (const { on, privileges } of readGrants("dx_reader"))
    onHost(`${psql} dxcluster -c 'grant ${privileges.join()} on ${on.join()} to dx_reader'`);
  if (isThere) return;
  say(`making ${spots} spots …`);
  onHost(`${psql} dxcluster -v spots=${spots} -f /root/bench/fill.sql >/dev/null`);
}

/** What the stack's manifest lets a role do. */
function readGrants(role) {
  return parse(fs.readFileSync(`${stack}/hostkit.yaml`, "utf8")).database.roles[role].grants;
}

function startApi() {
  onHost(
    `systemctl stop api-bench 2>/dev/null || true
    mkdir -p /opt/api; chmod 755 /opt/api; cat >/opt/api/server.cjs; chmod 644 /opt/api/server.cjs
    systemd-run -q --unit=api-bench --collect -p User=dx_reader -p Environment='PGHOST=/run/postgresql PGDATABASE=dxcluster PORT=8080' node /opt/api/server.cjs`,
    fs.readFileSync(`${stack}/api/dist/server.cjs`),
  );
}

/** Milliseconds of processor time that the API and all of PostgreSQL have used so far. */
function readCpu() {
  const sum = { api: 0, postgresql: 0, ...readMachine() };
  for (const line of onHost("cat /proc/[0-9]*/stat 2>/dev/null || true").split("\n")) {
    const [, name = "", rest = ""] = /^\d+ \((.*)\) (.*)$/.exec(line) ?? [];
    // utime, stime and those of children that ended, in hundredths of a second.
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = rest
      .split(" ")
      .slice(11, 15)
      .map(Number);
    if (name === "postgres") sum.postgresql += (user + system + childUser + childSystem) * 10;
    if (name === "node" || name === "MainThread") sum.api += (user + system) * 10;
  }
  return sum;
}

function percent(part, whole) {
  return Math.round((part / whole) * 1000) / 10;
}

/** Hundredths of a second of all processors: in all, idle, and taken by other machines on the same hardware. */
function readMachine() {
  const [line = ""] = fs.readFileSync("/proc/stat", "utf8").split("\n");
  const times = line.split(/\s+/).slice(1, 9).map(Number);
  const all = times.reduce((sum, time) => sum + time, 0);
  return { all, idle: times[3] + times[4], stolen: times[7] };
}

async function waitFor(base) {
  for (let tries = 0; tries < 100; tries += 1) {
    const answer = await get(base, "/api/health").catch(() => ({ status: 0 }));
    if (answer.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  fail("the API does not answer");
}

/** What a scraper would do meanwhile: ten times a second a few new spots. */
function insertSpots() {
  const session = spawn("ssh", [...login, `${psql} dxcluster`], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  let turn = 0;
  const timer = setInterval(() => {
    const some = Math.round(((turn + 1) * inserts) / 10) - Math.round((turn * inserts) / 10);
    turn += 1;
    if (some > 0)
      session.stdin
        .write(`insert into dx_spots (timestamp, received_at, dx_call, frequency, spotter_call, comment, mode, band)
        select date_trunc('minute', now()), now(), 'BENCH${turn}N' || i, 14000 + i, 'DL0BENCH', 'bench ' || i, 'CW', '20m'
        from generate_series(1, ${some}) i;\n`);
  }, 100);
  return async () => {
    clearInterval(timer);
    const ended = new Promise((resolve) => session.once("close", resolve));
    session.stdin.end(
      "delete from dx_spots where spotter_call = 'DL0BENCH' and timestamp > now() - interval '1 day';\n",
    );
    await ended;
  };
}

async function measureStream(base) {
  // One session for all: a spot must not wait for a log-in.
  const session = spawn("ssh", [...login, `${psql} dxcluster`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  session.stdout.setEncoding("utf8");
  const insert = (call) =>
    new Promise((resolve) => {
      session.stdout.once("data", resolve);
      session.stdin
        .write(`insert into dx_spots (timestamp, received_at, dx_call, frequency, spotter_call, comment, mode, band)
        values (date_trunc('minute', now()), now(), '${call}', 14025.5, 'DL0BENCH', 'bench ' || clock_timestamp(), 'CW', '20m') returning 1;\n`);
    });
  try {
    return await listen(base, clients, 30, insert);
  } finally {
    session.stdin.end(
      "delete from dx_spots where dx_call like 'BENCH%X' and timestamp > now() - interval '1 day';\n",
    );
  }
}

function report(result) {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return;
  }
  const lines = [
    `${result.spots} spots, PostgreSQL ${result.postgresql}: ${result.requests} requests at ${result.requests_per_second} a second while ${result.inserts_per_second} spots a second come, ${Object.keys(result.failures).length === 0 ? "none failed" : `failed: ${JSON.stringify(result.failures)}`}`,
    `all                  p50 ${String(result.p50_ms).padStart(7)} ms   p99 ${String(result.p99_ms).padStart(7)} ms   most ${result.most_ms} ms`,
    `processor time a request: API ${result.api_cpu_ms} ms, PostgreSQL ${result.postgresql_cpu_ms} ms, asking ${result.asking_cpu_ms} ms (p99 of how late: ${result.asked_late_p99_ms} ms); processors ${result.busy_percent} % busy, ${result.stolen_percent} % taken by other machines`,
    ...result.questions.map(
      (row) =>
        `${row.question.padEnd(20)} p50 ${String(row.p50_ms).padStart(7)} ms   p99 ${String(row.p99_ms).padStart(7)} ms   ${row.count}`,
    ),
    "one after the other:",
    ...[...result.paths, ...result.worst].map(
      (row) =>
        `${row.path.padEnd(62)} first ${String(row.first_ms).padStart(7)} ms   p50 ${String(row.p50_ms).padStart(7)} ms   most ${String(row.most_ms).padStart(7)} ms${row.status === undefined ? "" : `   ANSWERED ${row.status}`}`,
    ),
    `stream: the last of ${result.stream.listeners} listeners has a new spot after ${result.stream.last_p50_ms} ms (p50), ${result.stream.last_most_ms} ms at most; memory of the API ${result.api_megabytes} MB at most`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

await main();
