// What ran, on what.
import { readFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { execa } from "execa";

export async function describeMachine() {
  const system = /^PRETTY_NAME="(.*)"$/m.exec(await readFile("/etc/os-release", "utf8"))?.[1] ?? "";
  return {
    cpu: cpus()[0]?.model ?? "",
    cores: cpus().length,
    memoryMegabytes: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    system,
  };
}

/** Names and versions of hostkit, the peers, and what matters on a host. */
export async function describeVersions(bench) {
  const { version } = JSON.parse(
    await readFile(new URL("../../package.json", import.meta.url), "utf8"),
  );
  const { stderr } = await execa("ssh", ["-V"]);
  const list = (packages) => `dpkg-query -W -f '\${Package} \${Version}\\n' ${packages}`;
  const peers = await bench.controller.exec([
    "sh",
    "-c",
    list("ansible-core ansible-mitogen bundlewrap"),
  ]);
  const onHost = `cat /etc/debian_version; ${list("openssh-server systemd docker.io postgresql-17 caddy")}`;
  const [debian, ...packages] = (await bench.hosts.shell(bench.ownHost, onHost)).trim().split("\n");
  return {
    controller: {
      hostkit: version,
      "Node.js": process.versions.node,
      "OpenSSH's client": stderr.split(",")[0],
    },
    peers: readPairs(peers.text.trim().split("\n")),
    host: { debian, ...readPairs(packages) },
  };
}

/** The commit that was measured; `+` when src differs from it. */
export async function describeCommit() {
  const git = async (...words) => (await execa("git", words, { reject: false })).stdout ?? "";
  const changed = await git(
    "status",
    "--porcelain",
    "--",
    "src",
    "templates/host",
    "templates/run",
  );
  return `${await git("rev-parse", "--short", "HEAD")}${changed === "" ? "" : "+"}`;
}

function readPairs(lines) {
  return Object.fromEntries(lines.map((line) => line.split(" ")));
}
