// Many hosts at once from one controller, none of which needs a change.
import { readFile } from "node:fs/promises";
import { execa } from "execa";
import { run, takeTurns } from "./measure.mjs";
import { sshWords } from "./tools.mjs";

const count = 10;
const perHost = 10;

/** Boots ten of each; the first of each is the host of the other rows. */
async function bootTen(bench) {
  if (bench.ten !== undefined) return bench.ten;
  bench.log(`booting ${count - 1} more of each kind`);
  const names = (prefix) =>
    Array.from({ length: count - 1 }, (_, index) => `${prefix}-${index + 2}`);
  const own = [bench.ownHost];
  const peers = [bench.peerHost];
  for (const name of names("own")) own.push(await bench.hosts.up(name, bench.snapshots.hostkit));
  if (bench.wantsPeers) {
    for (const name of names("peer")) peers.push(await bench.hosts.up(name, bench.snapshots.peers));
  }
  bench.log("settling");
  await bench.project.setHosts(byName(own));
  await bench.project.settle();
  if (bench.wantsPeers) {
    const addresses = peers.map(({ address }) => address);
    await bench.peers.ansible("ansible-mitogen", addresses);
    await bench.peers.bundlewrap("apply", addresses);
  }
  bench.ten = { own, peers };
  return bench.ten;
}

export async function rowTen(bench) {
  const { own, peers } = await bootTen(bench);
  const { project } = bench;
  const addresses = peers.map(({ address }) => address);
  const probe = await readFile(new URL("peers/probe.sh", import.meta.url), "utf8");
  const [{ command, stdin }] = await bench.ownProbe();
  const tools = {
    // All at once, as the tools do it.
    "probe as argument": {
      measure: () =>
        together(bench, bench.wantsPeers ? addresses : own.map((host) => host.address), probe),
    },
    "hostkit's own probe": {
      measure: () =>
        together(
          bench,
          own.map((host) => host.address),
          command,
          stdin,
        ),
    },
    hostkit: {
      prepare: () => project.setHosts(byName(own)),
      measure: () => project.provision("nothing"),
    },
    bundlewrap: {
      rounds: 3,
      measure: () => bench.peers.bundlewrap("apply", addresses, { expect: "nothing" }),
    },
    "Ansible with mitogen": {
      rounds: 2,
      measure: () => bench.peers.ansible("ansible-mitogen", addresses, { expect: "nothing" }),
    },
    Ansible: {
      rounds: 1,
      measure: () => bench.peers.ansible("ansible", addresses, { expect: "nothing" }),
    },
  };
  const wanted = Object.entries(tools).filter(([name]) => bench.wants(name));
  return takeTurns(Object.fromEntries(wanted), 5, bench);
}

/** Ten hosts, each with ten addresses: to the controller these are a hundred hosts with a hundred connections. */
export async function rowHundred(bench) {
  const { own } = await bootTen(bench);
  const targets = {};
  for (const host of own) {
    const prefix = `10.85.${host.index}`;
    const addresses = Array.from({ length: perHost }, (_, index) => `${prefix}.${index + 1}`);
    await bench.hosts.shell(
      host,
      addresses.map((address) => `ip address replace ${address}/32 dev host0`).join("; "),
    );
    await execa("ip", ["route", "replace", `${prefix}.0/24`, "via", host.address]);
    for (const [index, address] of addresses.entries())
      targets[`${host.name}-${index}`] = { address, hostKey: host.hostKey };
  }
  const { project } = bench;
  try {
    await project.setHosts(targets);
    bench.log("settling");
    await project.settle();
    return await takeTurns({ hostkit: { measure: () => project.provision("nothing") } }, 3, bench);
  } finally {
    for (const host of own) {
      await execa("ip", ["route", "delete", `10.85.${host.index}.0/24`], { reject: false });
      await bench.hosts.shell(
        host,
        `for n in $(seq ${perHost}); do ip address delete 10.85.${host.index}.$n/32 dev host0; done`,
      );
    }
    await project.setHosts({ target: bench.ownHost });
  }
}

function byName(hosts) {
  return Object.fromEntries(hosts.map((host) => [host.name, host]));
}

/** One OpenSSH client for each address, all at once. */
async function together(bench, addresses, command, input) {
  const started = performance.now();
  const samples = await Promise.all(
    addresses.map((address) =>
      run([...sshWords(bench.key, address), command], input === undefined ? {} : { input }),
    ),
  );
  return {
    seconds: (performance.now() - started) / 1000,
    cpuSeconds: samples.reduce((sum, sample) => sum + sample.cpuSeconds, 0),
  };
}
