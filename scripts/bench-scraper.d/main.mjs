/** The run of scripts/bench-scraper. */
import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { makeManifest } from "./manifest.mjs";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    rate: { type: "string", default: "5000" },
    seconds: { type: "string", default: "60" },
    calm: { type: "string", default: "100" },
  },
});
const [rate, seconds, calm] = ["rate", "seconds", "calm"].map((name) => {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < 1) fail(`--${name} must be a whole number`);
  return value;
});
const calmSeconds = Math.min(30, seconds);

const name = "scraper-bench";
const stack = path.resolve("templates/stacks/dxcluster");
const service = "bench-scraper.service";
const port = 7300 + (process.pid % 1000);
const control = port + 1000;

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}
function say(text) {
  process.stderr.write(`${text}\n`);
}
/** The project, and what hostkit keeps for its user. */
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "bench-scraper-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
function hostkit(words) {
  return execFileSync(process.execPath, [path.resolve("dist/cli.js"), ...words], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    env: { ...process.env, HOME: folder, XDG_STATE_HOME: path.join(folder, ".state") },
  });
}

if (!fs.existsSync(`${stack}/dist/dx-scraper.deb`)) fail("the stack is not built: scripts/prepare");
say("a lab host with the database and the scraper …");
const [host] = JSON.parse(hostkit(["lab", "up", name, "--os", "debian-13", "--json"])).hosts;
const login = ["-i", host.keyPath, "-o", `UserKnownHostsFile=${host.knownHostsPath}`];
login.push("-o", "LogLevel=ERROR", `root@${host.address}`);

/** Runs shell text on the host; `input` is its standard input. */
function onHost(text, input = "") {
  return execFileSync("ssh", [...login, `set -e; ${text}`], {
    input,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "inherit"],
  }).trim();
}
const psql = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d dxcluster -f -";
async function tell(what, body) {
  const answer = await fetch(`http://127.0.0.1:${control}/${what}`, {
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  });
  return answer.json();
}

async function main() {
  const simulator = spawn(
    process.execPath,
    [
      `${stack}/simulator/dist/simulator.cjs`,
      ...["--host", "0.0.0.0", "--port", String(port), "--control", String(control)],
      ...["--rate", "0", "--numbered", "--solar", "0", "--chatter", "0", "--history", "0"],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  try {
    provision();
    const slow = await measure(calm, calmSeconds);
    const fast = await measure(rate, seconds);
    const result = {
      postgresql: onHost(psql, "show server_version").split(" ")[0],
      calm: slow,
      full: fast,
      limits: judge(slow, fast),
    };
    report(result);
    if (Object.values(result.limits).includes(false)) process.exitCode = 1;
  } finally {
    simulator.kill();
    if (!options.keep) hostkit(["lab", "down", name]);
  }
}

function provision() {
  fs.mkdirSync(path.join(folder, "dist"));
  fs.copyFileSync(`${stack}/dist/dx-scraper.deb`, path.join(folder, "dist/dx-scraper.deb"));
  fs.cpSync(`${stack}/db`, path.join(folder, "db"), { recursive: true });
  const gateway = host.address.replace(/\.\d+$/, ".1");
  fs.writeFileSync(path.join(folder, "hostkit.yaml"), makeManifest(host, `${gateway}:${port}`));
  hostkit(["provision", "--yes"]);
  // PostgreSQL then knows when each row was committed.
  onHost(psql, "alter system set track_commit_timestamp = on;");
  onHost("systemctl restart 'postgresql@*-main.service'");
}

/** So many spots a second, and what became of them. */
async function measure(perSecond, duration) {
  onHost(`systemctl stop ${service}`);
  onHost(psql, "truncate raw_spots, dx_spots, callsigns, band_stations, wwv_announcements;");
  onHost(`systemctl start ${service}`);
  await until("the scraper logs in", async () => (await tell("status")).callsigns.length === 1);
  const before = (await tell("status")).announced;
  const busyBefore = processor();
  say(`${perSecond} spots a second for ${duration} s …`);
  await tell("rate", { rate: perSecond });
  const begun = performance.now();
  await sleep(duration * 1000);
  await tell("rate", { rate: 0 });
  const took = (performance.now() - begun) / 1000;
  const waiting = Number(metric("journal_bytes"));
  const sent = (await tell("status")).announced - before;
  const stored = await settle(sent);
  const busy = processor();
  const [row] = JSON.parse(onHost(psql, times));
  return {
    spots_per_second: perSecond,
    seconds: duration,
    sent,
    sent_per_second: Math.round(sent / took),
    stored,
    lost: sent - stored,
    stored_per_second: Math.round(row.per_second),
    p50_ms: Math.round(row.p50),
    p99_ms: Math.round(row.p99),
    most_ms: Math.round(row.most),
    journal_bytes_at_the_end: waiting,
    memory_megabytes: Math.round(memory() / 1024),
    processor_seconds: Math.round((busy - busyBefore) * 10) / 10,
  };
}

/** From the moment a spot was written to the wire (it says so itself) to the commit of its row. */
const times = `
select json_agg(t) from (
  select percentile_cont(0.5) within group (order by ms) as p50, percentile_cont(0.99) within group (order by ms) as p99,
         max(ms) as most, count(*) / greatest(1, extract(epoch from max(at) - min(at))) as per_second
  from (select pg_xact_commit_timestamp(xmin) as at,
               extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 - substring(comment from ' (\\d+)$')::numeric as ms
        from dx_spots) as row) as t;`;

/** All of the service's processes at their largest, in KiB. */
function memory() {
  return onHost(`for p in $(${processes}); do awk '/VmHWM/ { print $2 }' /proc/$p/status; done`)
    .split("\n")
    .reduce((sum, kilobytes) => sum + Number(kilobytes), 0);
}

/** Seconds of processor time the service has used. */
function processor() {
  return onHost(
    `for p in $(${processes}); do awk '{ print ($14 + $15) / 100 }' /proc/$p/stat; done`,
  )
    .split("\n")
    .reduce((sum, used) => sum + Number(used), 0);
}
const processes = `cat /sys/fs/cgroup$(systemctl show -p ControlGroup --value ${service})/cgroup.procs`;

function metric(wanted) {
  return onHost(
    `curl -s http://127.0.0.1:9465/metrics 2>/dev/null || bash -c 'exec 3<>/dev/tcp/127.0.0.1/9465; printf "GET /metrics HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3'`,
  )
    .match(new RegExp(`^dx_scraper_${wanted} (.*)$`, "m"))?.[1]
    ?.trim();
}

/** Waits until the rows are there, or until none comes any more. */
async function settle(sent) {
  const count = () => Number(onHost(psql, "select count(*) from dx_spots;"));
  let stored = count();
  for (let still = 0; stored < sent && still < 10;) {
    await sleep(1000);
    const now = count();
    still = now === stored ? still + 1 : 0;
    stored = now;
  }
  return stored;
}

async function until(what, check) {
  for (let tries = 0; tries < 300; tries += 1) {
    if (await check().catch(() => false)) return;
    await sleep(200);
  }
  throw new Error(`${what}: not within 60 s`);
}

function judge(slow, fast) {
  return {
    // A backlog that grows would show in the times.
    sustained: fast.sent_per_second >= fast.spots_per_second * 0.99 && fast.p99_ms < 2000,
    nothing_lost: slow.lost === 0 && fast.lost === 0,
    memory_under_150_MB: fast.memory_megabytes < 150,
    p99_under_1_s_when_calm: slow.p99_ms < 1000,
  };
}

function report(result) {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return;
  }
  const lines = [result.calm, result.full].map(
    (row) =>
      `${row.sent_per_second} spots/s for ${row.seconds} s: ${row.sent} sent, ${row.stored} stored (${row.stored_per_second}/s), ${row.lost} lost; wire to row p50 ${row.p50_ms} ms, p99 ${row.p99_ms} ms, most ${row.most_ms} ms; memory ${row.memory_megabytes} MB, processor ${row.processor_seconds} s`,
  );
  for (const [limit, held] of Object.entries(result.limits))
    lines.push(`${held ? "ok  " : "MISS"} ${limit.replaceAll("_", " ")}`);
  process.stdout.write(`PostgreSQL ${result.postgresql}\n${lines.join("\n")}\n`);
}

await main();
