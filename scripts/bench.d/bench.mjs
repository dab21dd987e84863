// scripts/bench: see there for its use.
import { once } from "node:events";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { withLock } from "../../dist/lab/lock.js";
import { labPaths } from "../../dist/lab/paths.js";
import { captureExecs } from "./capture.mjs";
import { ensureController, startController, takePrograms } from "./controller.mjs";
import { BenchHosts } from "./hosts.mjs";
import { interrupt, median, readProcessorTicks, round } from "./measure.mjs";
import { renderPage } from "./page.mjs";
import { rowCold } from "./rows-cold.mjs";
import { rowGrowth } from "./rows-growth.mjs";
import { rowHundred, rowTen } from "./rows-many.mjs";
import { rowEdit, rowNoop, rowPlan, rowWan } from "./rows-noop.mjs";
import { HostkitProject, Peers } from "./tools.mjs";
import { peerNames, ratiosOf, verdictsOf } from "./verdicts.mjs";
import { describeCommit, describeMachine, describeVersions } from "./versions.mjs";

const rows = {
  noop: rowNoop,
  wan: rowWan,
  plan: rowPlan,
  edit: rowEdit,
  cold: rowCold,
  growth: rowGrowth,
  ten: rowTen,
  hundred: rowHundred,
};
const quickRows = ["noop", "wan"];

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    down: { type: "boolean", default: false },
    rows: { type: "string" },
    tools: { type: "string" },
    lock: { type: "string" },
    note: { type: "string" },
    rounds: { type: "string" },
  },
});

// A lab of its own: nothing here touches the hosts of other labs.
process.env.HOSTKIT_LAB_DIR = process.env.HOSTKIT_BENCH_DIR || "/var/lib/hostkit-bench";
const paths = labPaths();
const work = path.join(paths.state, "bench");
const key = path.join(work, "shared/key");
const startedAt = Date.now();
const log = (line) =>
  process.stderr.write(`${((Date.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
const hosts = new BenchHosts({ paths, key, log });

class Bench {
  #own;
  hosts = hosts;
  key = key;
  log = log;
  quick = options.quick;
  mostRounds = Number(options.rounds ?? Number.POSITIVE_INFINITY);
  coldRounds = 3;
  snapshots = {};
  idle = new Map();

  /** Runs `work` while nobody else holds the lock of --lock. */
  alone(work) {
    if (options.lock === undefined) return work();
    const whenAlone = withLock(options.lock, () => {
      interrupt.signal.throwIfAborted();
      return work();
    });
    const interrupted = once(interrupt.signal, "abort").then(() =>
      Promise.reject(interrupt.signal.reason),
    );
    return Promise.race([whenAlone, interrupted]);
  }

  /** Whether this tool takes part; floors and hostkit always do. */
  wants(name) {
    if (options.tools === undefined || !peerNames.includes(name)) return true;
    return options.tools.split(",").includes(name.split(" ").at(-1).toLowerCase());
  }

  get wantsPeers() {
    return peerNames.some((name) => this.wants(name));
  }

  /**
   * What the two hosts use while nobody asks them anything: health checks, timers. Cores, by the host's name. The median of
   * several looks, so that what still comes to rest after the last login is not taken for what goes on always.
   */
  async measureIdle() {
    const seconds = 1.5;
    const both = [this.ownHost, this.peerHost];
    const used = () => Promise.all(both.map((host) => hosts.cpuSeconds(host)));
    const looks = both.map(() => []);
    for (let look = 0; look < (this.quick ? 5 : 9); look += 1) {
      const before = await used();
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      const after = await used();
      both.forEach((_, at) => looks[at].push((after[at] - before[at]) / seconds));
    }
    both.forEach((host, at) => this.idle.set(host.name, median(looks[at])));
    log(
      `idle, the hosts use ${[...this.idle.values()].map((share) => share.toFixed(3)).join(" and ")} cores`,
    );
  }

  /** The sample of `work`, and the CPU time it cost the host beyond what that uses when idle. */
  async withHostCpu(host, work) {
    const before = await hosts.cpuSeconds(host);
    const sample = await work();
    const used = (await hosts.cpuSeconds(host)) - before;
    return {
      ...sample,
      hostCpuSeconds: Math.max(0, used - this.idle.get(host.name) * sample.seconds),
    };
  }

  async settlePeers() {
    if (!this.wantsPeers) return;
    await this.peers.ansible("ansible-mitogen", [this.peerHost.address]);
    await this.peers.bundlewrap("apply", [this.peerHost.address]);
  }

  /** A provisioned host's disk under `purpose`: made once for these definitions, kept beside the lab's base images. */
  async ensureSnapshot(purpose, definitions, provision) {
    const folder = new URL(definitions, import.meta.url).pathname;
    const snapshot = await hosts.snapshotOf(purpose, [folder]);
    this.snapshots[purpose] = snapshot;
    if (await hosts.exists(snapshot)) return undefined;
    const name = `make-${purpose}`;
    await hosts.down(name);
    const host = await hosts.up(name);
    log(`provisioning a host with ${purpose} (once; kept in ${snapshot})`);
    await provision(host);
    return hosts.freeze(host, snapshot);
  }

  /** What hostkit sends for a provision with nothing to do. */
  async ownProbe() {
    this.#own ??= await captureExecs({
      hosts,
      host: this.ownHost,
      folder: path.join(work, "capture"),
      work: async (recorder) => {
        const capturing = new HostkitProject(this.project.folder, { key: recorder });
        await capturing.setHosts({ target: this.ownHost });
        await capturing.provision("nothing");
        await this.project.setHosts({ target: this.ownHost });
      },
    });
    return this.#own;
  }
}

async function prepare(bench) {
  await rm(work, { recursive: true, force: true });
  await mkdir(path.join(work, "shared"), { recursive: true, mode: 0o700 });
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "hostkit-bench", "-f", key]);
  const root = await ensureController(paths, log);
  const shared = path.join(work, "shared");
  bench.controller = await startController({ root, folder: path.join(work, "controller"), shared });
  bench.programs = await takePrograms(bench.controller, shared);
  bench.peers = await new Peers(bench.controller, shared).make(bench.programs);
  bench.project = await new HostkitProject(path.join(work, "project"), {
    key,
    ...bench.programs,
  }).make();
}

/** The two hosts that most rows need: one that hostkit has provisioned, one that the peers have. */
async function prepareHosts(bench) {
  const making = [
    bench.ensureSnapshot("hostkit", "stack", async (host) => {
      await bench.project.setHosts({ target: host });
      await bench.project.provision("changes");
    }),
    bench.ensureSnapshot("peers", "peers", async (host) => {
      await bench.peers.ansible("ansible", [host.address]);
      await bench.peers.bundlewrap("apply", [host.address]);
    }),
  ];
  // The other one is not left behind half-made.
  await Promise.allSettled(making);
  await Promise.all(making);
  log("booting two hosts");
  [bench.ownHost, bench.peerHost] = await Promise.all([
    hosts.up("own", bench.snapshots.hostkit),
    hosts.up("peer", bench.snapshots.peers),
  ]);
  log("settling");
  await bench.project.setHosts({ target: bench.ownHost });
  await Promise.all([bench.project.settle(), bench.settlePeers()]);
  await bench.measureIdle();
}

const resultsFile = new URL("../../docs/performance.json", import.meta.url);

/** Rows that were not measured now stay from the last time, when machine and peers are the same. */
async function withEarlierRows(now) {
  const earlier = JSON.parse(await readFile(resultsFile, "utf8").catch(() => "{}"));
  const same = (part) => JSON.stringify(part(earlier)) === JSON.stringify(part(now));
  if (!same(({ machine }) => machine) || !same(({ versions }) => versions?.peers)) return now.rows;
  const all = { ...earlier.rows, ...now.rows };
  return Object.fromEntries(
    Object.keys(rows).flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])),
  );
}

async function writePage(results) {
  const all = await withEarlierRows(results);
  const whole = { ...results, rows: all, ratios: ratiosOf(all), targets: verdictsOf(all) };
  const comparison = await readFile(new URL("comparison.md", import.meta.url), "utf8");
  // What scripts/bench-deploy measured stands in the same page.
  const deploys = await readFile(new URL("../bench-deploy.d/results.md", import.meta.url), "utf8");
  const page = renderPage(whole, comparison.trim());
  await writeFile(resultsFile, `${JSON.stringify(whole, undefined, 1)}\n`);
  await writeFile(
    new URL("../../docs/performance.md", import.meta.url),
    page.replace("## Measured on\n", () => `${deploys}\n## Measured on\n`),
  );
  log("wrote docs/performance.md");
}

async function measure(bench) {
  const wanted = options.rows?.split(",") ?? (options.quick ? quickRows : Object.keys(rows));
  const unknown = wanted.filter((name) => rows[name] === undefined);
  if (unknown.length > 0)
    throw new Error(`no row ${unknown.join(", ")}; rows are ${Object.keys(rows).join(", ")}`);
  await prepare(bench);
  await prepareHosts(bench);
  const [commit, machine, versions] = await Promise.all([
    describeCommit(),
    describeMachine(),
    describeVersions(bench),
  ]);
  const results = { format: 1, machine, versions, rows: {}, failures: {}, ratios: {}, targets: [] };
  for (const name of wanted) {
    log(`row ${name}`);
    const date = new Date().toISOString().slice(0, 10);
    // What else the machine had to do while it began: on an idle one less than half a core.
    const load = round(loadavg()[0], 1);
    const before = await readProcessorTicks();
    try {
      const tools = await rows[name](bench);
      const note = options.note === undefined ? {} : { note: options.note };
      const after = await readProcessorTicks();
      const taken = after.stolen - before.stolen;
      const stolen = round(taken / (after.worked - before.worked + taken));
      log(`${name}: ${Math.round(stolen * 100)} % of the processors' time was stolen`);
      results.rows[name] = { date, commit, load, stolen, ...note, tools };
    } catch (error) {
      interrupt.signal.throwIfAborted();
      log(`row ${name} failed: ${error.message}`);
      results.failures[name] = String(error.message).split("\n").slice(0, 6).join("\n");
    }
    results.ratios = ratiosOf(results.rows);
    results.targets = verdictsOf(results.rows);
    // Row by row, so that an hour's work is not lost with its last row.
    if (!options.quick && options.tools === undefined) await writePage(results);
  }
  return results;
}

function show(results) {
  for (const [name, found] of Object.entries(results.ratios)) {
    for (const [ratio, value] of Object.entries(found))
      log(`${name.padEnd(8)} ${ratio.padEnd(34)} ${value}`);
  }
  for (const [name, why] of Object.entries(results.failures)) log(`FAILED ${name}: ${why}`);
  for (const { what, value, unit, relation, limit, met } of results.targets) {
    log(`${met ? "met   " : "MISSED"} ${what}: ${value} ${unit} (${relation} ${limit})`);
  }
}

async function cleanUp(bench) {
  await bench.controller?.stop();
  hosts.cutWires();
  if (options.keep) return;
  await hosts.downAll();
  await rm(paths.state, { recursive: true, force: true });
}

const bench = new Bench();
// What is under way ends early, or within seconds; then the hosts go, as after a failure.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (interrupt.signal.aborted) return;
    log(`${signal}: cleaning up`);
    interrupt.abort(new Error("interrupted"));
  });
}
// A second benchmark in the same lab waits for the first.
await withLock(path.join(paths.cache, `bench-${paths.id}.lock`), async () => {
  try {
    if (options.down) return;
    const results = await measure(bench);
    show(results);
    if (options.json) process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
    if (Object.keys(results.failures).length > 0) process.exitCode = 1;
  } catch (error) {
    log(error.message ?? error);
    process.exitCode = interrupt.signal.aborted ? 130 : 1;
  } finally {
    await cleanUp(bench);
  }
});
// A wait for a lock that was given up would keep this process.
process.exit();
