// Many hosts at once from one controller, none of which needs a change.
import { readFile } from "node:fs/promises";
import { execa } from "execa";
import { run, takeTurns } from "./measure.mjs";
import { sshWords } from "./tools.mjs";

const count = 10;
const perHost = 10;

/** Boots nine beside the host of the other rows. */
async function bootTen(bench, prefix, first, snapshot) {
  bench.log(`booting ${count - 1} hosts beside ${first.name}`);
  const booted = [first];
  for (let at = 2; at <= count; at += 1)
    booted.push(await bench.hosts.up(`${prefix}-${at}`, snapshot));
  return booted;
}

async function ownTen(bench) {
  if (bench.ten !== undefined) return bench.ten;
  const own = await bootTen(bench, "own", bench.ownHost, bench.snapshots.hostkit);
  bench.log("settling");
  await bench.project.setHosts(byName(own));
  await bench.project.settle();
  bench.ten = own;
  return own;
}

async function peerTen(bench) {
  if (!bench.wantsPeers) return [];
  const peers = await bootTen(bench, "peer", bench.peerHost, bench.snapshots.peers);
  const addresses = peers.map(({ address }) => address);
  await bench.peers.ansible("ansible-mitogen", addresses);
  await bench.peers.bundlewrap("apply", addresses);
  return peers;
}

export async function rowTen(bench) {
  const own = await ownTen(bench);
  const peers = await peerTen(bench);
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

/**
 * Ten hosts, each with ten addresses: to the controller these are a hundred hosts with a hundred connections. Host after host in
 * turn, so that those that are asked at the same time are not the same one. Ten of them are measured beside it, in turns.
 */
export async function rowHundred(bench) {
  const own = await ownTen(bench);
  const ofHost = [];
  const lab = bench.ownHost.address.split(".")[2];
  const addressesOf = (at) =>
    Array.from({ length: perHost }, (_, index) => `10.85.${lab}.${at * perHost + index + 1}`);
  for (const [at, host] of own.entries()) {
    const addresses = addressesOf(at);
    await bench.hosts.shell(
      host,
      addresses.map((address) => `ip address replace ${address}/32 dev host0`).join("; "),
    );
    for (const address of addresses)
      await execa("ip", ["route", "replace", address, "via", host.address]);
    ofHost.push(
      addresses.map((address, index) => ({
        name: `${host.name}-${index}`,
        address,
        hostKey: host.hostKey,
      })),
    );
  }
  const all = Array.from({ length: perHost }, (_, index) =>
    ofHost.map((targets) => targets[index]),
  ).flat();
  const probe = await readFile(new URL("peers/probe.sh", import.meta.url), "utf8");
  const { project } = bench;
  const measured = (targets) => ({
    prepare: () => project.setHosts(byName(targets)),
    measure: () => project.provision("nothing"),
  });
  const probed = (targets) => ({
    measure: () =>
      together(
        bench,
        targets.map(({ address }) => address),
        probe,
      ),
  });
  try {
    await project.setHosts(byName(all));
    bench.log("settling");
    await project.settle();
    const tools = {
      "probe as argument, 10 hosts": probed(all.slice(0, count)),
      "probe as argument": probed(all),
      "hostkit, 10 hosts": measured(all.slice(0, count)),
      hostkit: measured(all),
    };
    return await takeTurns(tools, 3, bench);
  } finally {
    for (const [at, host] of own.entries()) {
      const addresses = addressesOf(at);
      for (const address of addresses)
        await execa("ip", ["route", "delete", address], { reject: false });
      await bench.hosts.shell(
        host,
        addresses.map((address) => `ip address delete ${address}/32 dev host0`).join("; "),
      );
    }
    await project.setHosts({ target: bench.ownHost });
  }
}

function byName(hosts) {
  return Object.fromEntries(hosts.map((host) => [host.name, host]));
}

/** How many OpenSSH clients run at a time: as many hosts as hostkit looks at. */
const clients = 16;

/** One OpenSSH client for each address. */
async function together(bench, addresses, command, input) {
  const started = performance.now();
  const samples = [];
  const left = addresses.values();
  const work = async () => {
    for (const address of left)
      samples.push(
        await run([...sshWords(bench.key, address), command], input === undefined ? {} : { input }),
      );
  };
  await Promise.all(Array.from({ length: clients }, work));
  return {
    seconds: (performance.now() - started) / 1000,
    cpuSeconds: samples.reduce((sum, sample) => sum + sample.cpuSeconds, 0),
  };
}
