// One host on which nothing is to change: on the local network, and 40 ms away; `plan`; one file of one service edited.
import { readFile } from "node:fs/promises";
import { run, takeTurns } from "./measure.mjs";
import { sshWords } from "./tools.mjs";

/** How often each is run: floors and the fast ones more often, Ansible takes its time. */
const quickRounds = { fast: 5, bundlewrap: 2, mitogen: 1, ansible: 1 };
const fullRounds = { fast: 7, bundlewrap: 4, mitogen: 2, ansible: 1 };

/** The floors at one address of the peers' host, and hostkit's own probe by OpenSSH on its host. */
async function floors(bench, { peer, own }) {
  const probe = await readFile(new URL("peers/probe.sh", import.meta.url), "utf8");
  const ssh = (address, words, options) =>
    run([...sshWords(bench.key, address), ...words], options);
  const execs = await bench.ownProbe();
  const replay = async () => {
    let total;
    for (const { command, stdin } of execs) {
      const one = await ssh(own, [command], { input: stdin });
      total = total === undefined ? one : { ...one, seconds: total.seconds + one.seconds };
    }
    return total;
  };
  const onPeer = (work) => ({ measure: () => bench.withHostCpu(bench.peerHost, work) });
  return {
    "ssh true": onPeer(() => ssh(peer, ["true"])),
    "probe on stdin": onPeer(() => ssh(peer, ["sh -s"], { input: probe })),
    "probe as argument": onPeer(() => ssh(peer, [probe])),
    "hostkit's own probe": { measure: () => bench.withHostCpu(bench.ownHost, replay) },
  };
}

function pick(bench, tools, rounds) {
  const limits = {
    bundlewrap: rounds.bundlewrap,
    "Ansible with mitogen": rounds.mitogen,
    Ansible: rounds.ansible,
  };
  const wanted = Object.entries(tools).filter(([name]) => bench.wants(name));
  return Object.fromEntries(
    wanted.map(([name, tool]) => [name, { rounds: limits[name] ?? rounds.fast, ...tool }]),
  );
}

async function compare(bench, tools) {
  const rounds = bench.quick ? quickRounds : fullRounds;
  return takeTurns(pick(bench, tools, rounds), rounds.fast, bench);
}

async function measureNoop(bench, { own, peer }) {
  const { project, peers } = bench;
  const onPeer = (work) => ({ measure: () => bench.withHostCpu(bench.peerHost, work) });
  return compare(bench, {
    ...(await floors(bench, { peer, own: own.address })),
    hostkit: {
      prepare: () => project.setHosts({ target: own }),
      measure: () => bench.withHostCpu(bench.ownHost, () => project.provision("nothing")),
    },
    bundlewrap: onPeer(() => peers.bundlewrap("apply", [peer], { expect: "nothing" })),
    // At 40 ms they take most of two minutes: not in the quick run.
    ...(bench.quick && peer !== bench.peerHost.address
      ? {}
      : {
          "Ansible with mitogen": onPeer(() =>
            peers.ansible("ansible-mitogen", [peer], { expect: "nothing" }),
          ),
          Ansible: onPeer(() => peers.ansible("ansible", [peer], { expect: "nothing" })),
        }),
  });
}

export async function rowNoop(bench) {
  return measureNoop(bench, { own: bench.ownHost, peer: bench.peerHost.address });
}

export async function rowWan(bench) {
  const { ownHost, peerHost, hosts } = bench;
  const own = await hosts.wire(ownHost, bench.programs.wire, 20);
  const peer = await hosts.wire(peerHost, bench.programs.wire, 20);
  try {
    const target = { address: own, hostKey: ownHost.hostKey };
    await bench.project.setHosts({ target });
    await bench.project.settle();
    return await measureNoop(bench, { own: target, peer });
  } finally {
    hosts.cutWires();
    await bench.project.setHosts({ target: ownHost });
    await bench.project.settle();
  }
}

export async function rowPlan(bench) {
  const { project, peers, ownHost, peerHost } = bench;
  await project.setHosts({ target: ownHost });
  return compare(bench, {
    ...(await floors(bench, { peer: peerHost.address, own: ownHost.address })),
    hostkit: { measure: () => project.plan() },
    bundlewrap: { measure: () => peers.bundlewrap("verify", [peerHost.address]) },
    "Ansible with mitogen": {
      measure: () =>
        peers.ansible("ansible-mitogen", [peerHost.address], {
          words: ["--check", "--diff"],
          expect: "nothing",
        }),
    },
    Ansible: {
      measure: () =>
        peers.ansible("ansible", [peerHost.address], {
          words: ["--check", "--diff"],
          expect: "nothing",
        }),
    },
  });
}

/** Another interval each time: the scraper's environment file changes, and the scraper must be started again. */
export async function rowEdit(bench) {
  const { project, peers, hosts, ownHost, peerHost } = bench;
  await project.setHosts({ target: ownHost });
  let interval = 100;
  const started = (host) =>
    hosts.shell(host, "systemctl show -p ExecMainStartTimestampMonotonic --value hybrid-scraper");
  /** Every tool must have restarted the service by the time it says it is done. */
  const restarting = (host, work) => async () => {
    const before = await started(host);
    interval += 1;
    const sample = await work(interval);
    if ((await started(host)) === before)
      throw new Error(`the scraper of ${host.name} was not restarted`);
    return sample;
  };
  const peer = [peerHost.address];
  const ansible = (how) =>
    restarting(peerHost, (value) =>
      peers.ansible(how, peer, { words: ["-e", `interval=${value}`], expect: "changes" }),
    );
  const result = await compare(bench, {
    hostkit: {
      measure: restarting(ownHost, async (value) => {
        await project.edit(["services", "scraper", "env", "INTERVAL"], String(value));
        return project.provision("changes");
      }),
    },
    bundlewrap: {
      measure: restarting(peerHost, (value) =>
        peers.bundlewrap("apply", peer, { interval: value, expect: "changes" }),
      ),
    },
    "Ansible with mitogen": { measure: ansible("ansible-mitogen") },
    Ansible: { measure: ansible("ansible") },
  });
  await project.edit(["services", "scraper", "env", "INTERVAL"], "30");
  await project.settle();
  if (bench.wants("bundlewrap")) await peers.bundlewrap("apply", peer);
  return result;
}
