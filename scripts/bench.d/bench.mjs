// scripts/bench: see there for its use.
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { labPaths } from "../../dist/lab/paths.js";
import { captureExecs } from "./capture.mjs";
import { ensureController, startController, takePrograms } from "./controller.mjs";
import { BenchHosts } from "./hosts.mjs";
import { HostkitProject, Peers } from "./tools.mjs";
import { rowEdit, rowNoop, rowPlan, rowWan } from "./rows-noop.mjs";

const rows = { noop: rowNoop, wan: rowWan, plan: rowPlan, edit: rowEdit };
const quickRows = ["noop", "wan"];

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    down: { type: "boolean", default: false },
    rows: { type: "string" },
    tools: { type: "string" },
  },
});

// A lab of its own: nothing here touches the hosts of other labs.
process.env.HOSTKIT_LAB_DIR = process.env.HOSTKIT_BENCH_DIR ?? "/var/lib/hostkit-bench";
const paths = labPaths();
const work = path.join(paths.state, "bench");
const key = path.join(work, "shared/key");
const startedAt = Date.now();
const log = (line) => process.stderr.write(`${((Date.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
const hosts = new BenchHosts({ paths, key, log });

class Bench {
  #own;
  hosts = hosts;
  key = key;
  log = log;
  quick = options.quick;

  /** Whether this tool takes part; floors and hostkit always do. */
  wants(name) {
    if (options.tools === undefined) return true;
    const peer = ["bundlewrap", "Ansible with mitogen", "Ansible"].includes(name);
    return !peer || options.tools.split(",").includes(name.split(" ").at(-1).toLowerCase());
  }

  get wantsPeers() {
    return ["bundlewrap", "Ansible with mitogen", "Ansible"].some((name) => this.wants(name));
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

async function prepare() {
  await rm(work, { recursive: true, force: true });
  await mkdir(path.join(work, "shared"), { recursive: true });
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "hostkit-bench", "-f", key]);
  const bench = new Bench();
  const root = await ensureController(paths, log);
  const shared = path.join(work, "shared");
  bench.controller = await startController({ root, folder: path.join(work, "controller"), shared });
  bench.programs = await takePrograms(bench.controller, shared);
  bench.peers = await new Peers(bench.controller, shared).make(bench.programs);
  bench.project = await new HostkitProject(path.join(work, "project"), { key, ...bench.programs }).make();
  return bench;
}

/** The two hosts that most rows need: one that hostkit has provisioned, one that the peers have. */
async function prepareHosts(bench) {
  const stack = new URL("stack", import.meta.url).pathname;
  const definitions = new URL("peers", import.meta.url).pathname;
  const make = async (purpose, folder, provision) => {
    await hosts.down(`make-${purpose}`);
    const fresh = await hosts.up(`make-${purpose}`);
    const snapshot = await hosts.snapshotOf(purpose, fresh, [folder]);
    bench.snapshots[purpose] = snapshot;
    if (await hosts.exists(snapshot)) return hosts.down(fresh.name);
    log(`provisioning a host with ${purpose} (once; kept in ${snapshot})`);
    await provision(fresh);
    await hosts.freeze(fresh, snapshot);
  };
  bench.snapshots = {};
  const made = await Promise.allSettled([
    make("hostkit", stack, async (host) => {
      await bench.project.setHosts({ target: host });
      await bench.project.provision("changes");
    }),
    make("peers", definitions, async (host) => {
      await bench.peers.ansible("ansible", [host.address]);
      await bench.peers.bundlewrap("apply", [host.address]);
    }),
  ]);
  for (const { reason } of made) if (reason !== undefined) throw reason;
  log("booting two hosts");
  [bench.ownHost, bench.peerHost] = await Promise.all([
    hosts.up("own", bench.snapshots.hostkit),
    hosts.up("peer", bench.snapshots.peers),
  ]);
  log("settling");
  await bench.project.setHosts({ target: bench.ownHost });
  await bench.project.settle();
  if (bench.wantsPeers) {
    await bench.peers.ansible("ansible-mitogen", [bench.peerHost.address]);
    await bench.peers.bundlewrap("apply", [bench.peerHost.address]);
  }
  bench.idleCpu = await measureIdle(bench.ownHost);
  log(`idle, hostkit's host uses ${(bench.idleCpu * 100).toFixed(1)} % of a core`);
}

async function measureIdle(host) {
  const before = await hosts.cpuSeconds(host);
  await new Promise((resolve) => setTimeout(resolve, 4000));
  return ((await hosts.cpuSeconds(host)) - before) / 4;
}

async function main() {
  if (options.down) return hosts.downAll();
  let bench;
  try {
    bench = await prepare();
    await prepareHosts(bench);
    const results = {};
    const wanted = options.rows?.split(",") ?? (options.quick ? quickRows : Object.keys(rows));
    for (const name of wanted) {
      log(`row ${name}`);
      results[name] = await rows[name](bench);
    }
    process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  } finally {
    await bench?.controller?.stop();
    if (options.keep) hosts.cutWires();
    else {
      await hosts.downAll();
      await rm(paths.state, { recursive: true, force: true });
    }
  }
}

await main();
