// A bare Debian 13 made the hybrid host; beside it what apt and docker alone take for the same packages and images.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import { run, takeTurns } from "./measure.mjs";
import { sshWords } from "./tools.mjs";

export async function rowCold(bench) {
  const { project, peers, hosts } = bench;
  let host;
  /** Each run has a host of its own, made right before and gone right after. */
  const onFreshHost = (work, rounds = bench.coldRounds) => ({
    rounds,
    prepare: async () => {
      await hosts.down("cold");
      host = await hosts.up("cold");
    },
    measure: async () => work(host),
  });
  const theirs = parse(await readFile(new URL("peers/vars.yml", import.meta.url), "utf8")).packages;
  const ours = await listPackages(bench);
  const tools = {
    "apt, hostkit's packages": onFreshHost((at) => installByHand(bench, at, ours)),
    "apt, the peers' packages": onFreshHost((at) => installByHand(bench, at, theirs)),
    hostkit: onFreshHost(async (at) => {
      await project.setHosts({ target: at });
      return project.provision("changes");
    }),
    // It does not fetch apt's lists by itself, and a bare host has none.
    bundlewrap: onFreshHost(async (at) => {
      const update = await run([...sshWords(bench.key, at.address), "apt-get -q update"]);
      const apply = await peers.bundlewrap("apply", [at.address]);
      return { ...apply, seconds: update.seconds + apply.seconds };
    }, 1),
    "Ansible with mitogen": onFreshHost((at) => peers.ansible("ansible-mitogen", [at.address]), 1),
    Ansible: onFreshHost((at) => peers.ansible("ansible", [at.address]), 1),
  };
  const wanted = Object.entries(tools).filter(([name]) => bench.wants(name));
  try {
    return await takeTurns(Object.fromEntries(wanted), bench.coldRounds, bench);
  } finally {
    await hosts.down("cold");
    await project.setHosts({ target: bench.ownHost });
  }
}

/** What hostkit asked apt for on its host. */
async function listPackages(bench) {
  const marked = (host) => bench.hosts.shell(host, "apt-mark showmanual");
  const bare = await bench.hosts.up("cold");
  const before = new Set((await marked(bare)).split("\n"));
  const after = (await marked(bench.ownHost)).split("\n");
  return after.filter((name) => name !== "" && name !== "hybrid-scraper" && !before.has(name));
}

/** apt-get as one types it, then the image builds; `seconds` is the sum, `parts` says how much is whose. */
async function installByHand(bench, host, packages) {
  const ssh = sshWords(bench.key, host.address);
  const env = "export DEBIAN_FRONTEND=noninteractive";
  const apt = await run([
    ...ssh,
    `${env}; apt-get -q update && apt-get -y -q --no-install-recommends install ${packages.join(" ")}`,
  ]);
  const images = [];
  for (const image of ["api", "dashboard"]) {
    const folder = path.join(bench.project.folder, image);
    images.push(
      await run([
        "sh",
        "-c",
        `tar -C "$0" -cf - . | "$@"`,
        folder,
        ...ssh,
        `docker build -q -t bench/${image} -`,
      ]),
    );
  }
  const seconds = images.reduce((sum, image) => sum + image.seconds, apt.seconds);
  return { ...apt, seconds, aptSeconds: apt.seconds, imageSeconds: seconds - apt.seconds };
}
