// Lab hosts for the benchmark: from Debian alone, or laid over a snapshot of a provisioned one; and wires to them.
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { execa } from "execa";
import {
  downAll,
  downLabHost,
  powerOffLabHost,
  powerOnLabHost,
  upLabHost,
} from "../../dist/lab/host.js";
import { runOnLabHost } from "../../dist/lab/login.js";
import { kernelNames, supervisorRuns, waitUntil } from "../../dist/lab/power.js";
import { ensureBase } from "../../dist/lab/base.js";
import { ensureLabTools, exists } from "../../dist/lab/tools.js";
import { interrupt } from "./measure.mjs";

/** What Ansible needs on a host; Debian's cloud images have both. Every host of the benchmark has them. */
const os = "debian-13";
const packages = ["python3", "python3-apt"];

export class BenchHosts {
  #paths;
  #key;
  #log;
  #wires = [];

  constructor({ paths, key, log }) {
    this.#paths = paths;
    this.#key = key;
    this.#log = log;
  }

  /** Boots a host of that name; over a snapshot if there is one. The benchmark's own key lets in as root. */
  async up(name, snapshot) {
    const paths = this.#paths;
    const boot = () => {
      interrupt.signal.throwIfAborted();
      return upLabHost({ name, os, packages, install: true, paths, log: this.#log });
    };
    const wanted = snapshot === undefined ? "" : `${path.join(snapshot, "upper")}:`;
    let host = await boot();
    // Kept from a run with other files (--keep), or left by one that was killed.
    if (host.base.includes(":") && !(wanted && host.base.startsWith(wanted))) {
      await this.down(name);
      host = await boot();
    }
    if (snapshot !== undefined && !host.base.includes(":")) {
      await powerOffLabHost(name, paths);
      const file = path.join(host.folder, "host.json");
      const base = `${wanted}${host.base}`;
      await writeFile(file, JSON.stringify({ ...host, base }, null, 2));
      await rm(path.join(host.folder, "volumes"), { recursive: true });
      await execa("cp", ["-a", path.join(snapshot, "volumes"), host.folder]);
      // The lab keeps images that have such a file; it goes with the host.
      await writeFile(
        path.join(paths.cache, "uses", `${path.basename(snapshot)}@${paths.id}-${name}`),
        "",
      );
      await powerOnLabHost(name, paths);
    }
    const key = await readFile(`${this.#key}.pub`, "utf8");
    // Ansible takes empty package lists for new ones, because the folder is new.
    const line = `touch -d @0 /var/lib/apt/lists; grep -qF ${quote(key.trim())} .ssh/authorized_keys || echo ${quote(key.trim())} >>.ssh/authorized_keys`;
    await this.shell(host, line);
    return host;
  }

  /** The output of a shell line on a host. */
  async shell(host, line, options = {}) {
    let result;
    // 255 is the client's own: a host that has just booted on a busy machine can be slow to answer.
    for (let attempt = 0; attempt < 5 && (result?.exitCode ?? 255) === 255; attempt += 1) {
      interrupt.signal.throwIfAborted();
      result = await runOnLabHost(host, line, options);
    }
    if (result.exitCode === 0) return result.stdout;
    throw new Error(
      `${host.name}: ${line.slice(0, 200)}\nended with ${result.exitCode}:\n${result.stdout}\n${result.stderr}`,
    );
  }

  async down(name) {
    await downLabHost(name, this.#paths);
  }

  /** Where a snapshot of this purpose is kept; other contents are another snapshot. */
  async snapshotOf(purpose, folders) {
    const [paths, log] = [this.#paths, this.#log];
    await ensureLabTools({ install: true, log });
    const hash = createHash("sha256").update(await ensureBase(os, { packages, log, paths }));
    for (const folder of folders) await hashFolder(hash, folder);
    const name = `bench-${purpose}-trixie-${hash.digest("hex").slice(0, 12)}`;
    return path.join(this.#paths.cache, name);
  }

  /** Shuts a host down and makes its disk a snapshot; the host is gone then. */
  async freeze(host, snapshot) {
    await runOnLabHost(host, "systemctl poweroff");
    await waitUntil(
      `${host.name} is off`,
      async () => !(await supervisorRuns(this.#paths, host.name)),
      60,
    );
    await rm(`${snapshot}.new`, { recursive: true, force: true });
    await mkdir(`${snapshot}.new`, { recursive: true });
    for (const part of ["upper", "volumes"]) {
      await execa("mv", [path.join(host.folder, part), `${snapshot}.new/`]);
    }
    await this.down(host.name);
    await rename(`${snapshot}.new`, snapshot);
  }

  exists(file) {
    return exists(file);
  }

  /** A second way to the host with a fixed delay; returns the host's address there. */
  async wire(host, program, oneWayMilliseconds) {
    const device = `bw${host.index}-${process.pid % 10000}`;
    const { netns } = kernelNames(this.#paths, host.name);
    // Each lab of a machine has a third byte of its own, so two benchmarks do not meet here.
    const [, , lab, number] = host.address.split(".");
    const here = `10.86.${lab}.${number}`;
    const there = `10.84.${lab}.${number}`;
    const words = [program, device, "wan0", `/run/netns/${netns}`, String(oneWayMilliseconds)];
    // It ends with this process, however that ends.
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...words], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#wires.push(child);
    await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
    await execa("ip", ["addr", "add", here, "peer", there, "dev", device]);
    await execa("ip", ["link", "set", device, "up"]);
    await execa("ip", ["-n", netns, "addr", "add", there, "peer", here, "dev", "wan0"]);
    await execa("ip", ["-n", netns, "link", "set", "wan0", "up"]);
    return there;
  }

  /** CPU seconds that everything on the host has used since it booted. */
  async cpuSeconds(host) {
    const group = (await readFile(path.join(host.folder, "cgroup"), "utf8")).trim();
    const text = await readFile(path.join(group, "machine/cpu.stat"), "utf8");
    return Number(/^usage_usec (\d+)$/m.exec(text)?.[1]) / 1e6;
  }

  cutWires() {
    for (const wire of this.#wires.splice(0)) wire.kill("SIGKILL");
  }

  /** Everything of this lab: hosts, network, wires. */
  async downAll() {
    this.cutWires();
    await downAll(this.#paths);
  }
}

async function hashFolder(hash, folder) {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    hash
      .update(path.relative(folder, file))
      .update("\0")
      .update(await readFile(file))
      .update("\0");
  }
}

function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A folder of the checkout copied to where things may be added. */
export async function copyFolder(from, to) {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true, verbatimSymlinks: true });
}
