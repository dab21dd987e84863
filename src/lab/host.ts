import { randomBytes } from "node:crypto";
import {
  chmod,
  chown,
  copyFile,
  mkdir,
  readFile,
  readdir,
  rm,
  rmdir,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { ensureBase } from "./base.ts";
import { execute } from "./programs.ts";
import { withLock } from "./lock.ts";
import { type LabNetwork, ensureNetwork, removeNetwork } from "./network.ts";
import { type LabPaths, labPaths } from "./paths.ts";
import type { LabHost } from "./lab-host.ts";
import { waitUntilBooted } from "./login.ts";
import { cutPower, kernelNames, startSupervisor, supervisorRuns } from "./power.ts";
import { type LabOs, usualLabSystem } from "./systems.ts";
import { ensureLabTools, exists } from "./tools.ts";

export type LabHostState = "running" | "off";

export interface UpOptions {
  readonly name: string;
  readonly os?: LabOs;
  /** More Debian packages in its base image; for hosts that are tools of a test, not for hosts to provision. */
  readonly packages?: readonly string[];
  /** Lets apt install what this machine lacks for lab hosts; without it that is an error. */
  readonly install?: boolean;
  readonly log?: (line: string) => void;
  readonly paths?: LabPaths;
}

const loginUsers = [
  { home: "root", uid: 0 },
  { home: "home/deploy", uid: 1000 },
  { home: "home/ops", uid: 1001 },
];

/**
 * Boots a lab host and waits until it has finished booting. A host of that name that exists already is returned
 * (and powered on when it was off). Fails with `lab_unavailable` when this machine cannot do it.
 */
export async function upLabHost(options: UpOptions): Promise<LabHost> {
  const {
    name,
    os = usualLabSystem,
    packages = [],
    install = false,
    log = () => undefined,
    paths = labPaths(),
  } = options;
  checkName(name);
  await ensureLabTools({ install, log });
  const base = await ensureBase(os, { packages, log, paths });
  const { host, fresh } = await withLock(hostsLock(paths), async () => {
    const known = await findLabHost(name, paths);
    const network = await ensureNetwork(paths);
    if (known !== undefined) return { host: known, fresh: false };
    // What a killed `up` of that name may have left.
    await removeTraces(name, paths);
    return { host: await makeHost({ name, os, base, network, paths }), fresh: true };
  });
  if (!fresh && host.os !== os && options.os !== undefined) {
    throw new HostkitError("usage", {
      what: `lab host ${name} exists with ${host.os}`,
      next: `hostkit lab down ${name}`,
    });
  }
  return powerOnLabHost(name, paths);
}

/** Removes the host and every trace of it; with the last host, the lab's network too. Idempotent. */
export async function downLabHost(name: string, paths: LabPaths = labPaths()): Promise<void> {
  checkName(name);
  await withLock(hostsLock(paths), async () => {
    await removeTraces(name, paths);
    await removeEmptyLab(paths);
  });
}

/** Removes every host of this lab, also half-made ones. Idempotent. */
export async function downAll(paths: LabPaths = labPaths()): Promise<void> {
  await withLock(hostsLock(paths), async () => {
    const names = await readdir(path.join(paths.state, "hosts")).catch(() => []);
    for (const name of names) await removeTraces(name, paths);
    await removeEmptyLab(paths);
  });
}

/** The lab's hosts by name, with whether they run. */
export async function listLabHosts(
  paths: LabPaths = labPaths(),
): Promise<(LabHost & { readonly state: LabHostState })[]> {
  const names = await readdir(path.join(paths.state, "hosts")).catch(() => []);
  const hosts = await Promise.all(
    [...names]
      .sort((left, right) => (left < right ? -1 : 1))
      .map((name) => findLabHost(name, paths)),
  );
  const known = hosts.filter((host) => host !== undefined);
  return Promise.all(
    known.map(async (host) => ({
      ...host,
      state: (await supervisorRuns(paths, host.name)) ? ("running" as const) : ("off" as const),
    })),
  );
}

export async function findLabHost(
  name: string,
  paths: LabPaths = labPaths(),
): Promise<LabHost | undefined> {
  const text = await readFile(path.join(hostFolder(paths, name), "host.json"), "utf8").catch(
    () => undefined,
  );
  return text === undefined ? undefined : (JSON.parse(text) as LabHost);
}

/** Like `findLabHost`, but a missing host is the user's mistake. */
export async function getLabHost(name: string, paths: LabPaths = labPaths()): Promise<LabHost> {
  const host = await findLabHost(name, paths);
  if (host !== undefined) return host;
  const names = (await listLabHosts(paths)).map((known) => known.name);
  throw new HostkitError("usage", {
    what: `no lab host ${name}`,
    why: names.length === 0 ? "no lab host is up" : `up are: ${names.join(", ")}`,
    next: `hostkit lab up ${name}`,
  });
}

/** Powers a host on again that was switched off or lost its power; same address, same disk. */
export async function powerOnLabHost(name: string, paths: LabPaths = labPaths()): Promise<LabHost> {
  const host = await getLabHost(name, paths);
  await withLock(hostsLock(paths), async () => {
    const network = await ensureNetwork(paths);
    if (!(await supervisorRuns(paths, name))) await startSupervisor(paths, host, network);
  });
  await waitUntilBooted(host);
  return host;
}

/** Cuts the power of a host: all of its processes are killed at once. The disk stays for `powerOnLabHost`. */
export async function powerOffLabHost(name: string, paths: LabPaths = labPaths()): Promise<void> {
  await getLabHost(name, paths);
  await cutPower(paths, name);
}

/** Unplugs (`false`) or plugs in (`true`) the host's network cable; the host goes on running. */
export async function setCable(
  name: string,
  plugged: boolean,
  paths: LabPaths = labPaths(),
): Promise<void> {
  await getLabHost(name, paths);
  await execute("ip", ["link", "set", kernelNames(paths, name).veth, plugged ? "up" : "down"]);
}

interface Making {
  readonly name: string;
  readonly os: LabOs;
  readonly base: string;
  readonly network: LabNetwork;
  readonly paths: LabPaths;
}

async function makeHost({ name, os, base, network, paths }: Making): Promise<LabHost> {
  const index = await findFreeIndex(paths);
  const folder = hostFolder(paths, name);
  const address = `${network.prefix}.${index}`;
  const address6 = `${network.prefix6}::${index.toString(16)}`;
  for (const part of ["work", "root", "volumes/docker", "volumes/containerd", "upper/etc/ssh"]) {
    await mkdir(path.join(folder, part), { recursive: true, mode: 0o755 });
  }
  const etc = path.join(folder, "upper/etc");
  const keyPath = path.join(folder, "key");
  await makeKeys(name, keyPath, etc);
  const hostKey = await readPublicKey(path.join(etc, "ssh/ssh_host_ed25519_key.pub"));
  const keys = [
    hostKey,
    await readPublicKey(path.join(etc, "ssh/ssh_host_ecdsa_key.pub")),
    await readPublicKey(path.join(base, "etc/ssh/ssh_host_rsa_key.pub")),
  ];
  const knownHostsPath = path.join(folder, "known_hosts");
  const lines = keys.map((key) => `${name},${address},${address6} ${key}\n`);
  await writeFile(knownHostsPath, lines.join(""));
  await writeIdentity(etc, name);
  await authorizeKey(folder, keyPath);
  const host: LabHost = {
    name,
    os,
    address,
    address6,
    user: "root",
    port: 22,
    keyPath,
    hostKey,
    knownHostsPath,
    folder,
    base,
    index,
  };
  await noteUse(paths, name, base);
  await writeFile(path.join(folder, "host.json"), JSON.stringify(host, null, 2));
  return host;
}

/** A base image that hosts stand on stays. */
async function noteUse(paths: LabPaths, name: string, base: string): Promise<void> {
  await mkdir(path.join(paths.cache, "uses"), { recursive: true });
  await writeFile(useFile(paths, name, base), "");
}

async function findFreeIndex(paths: LabPaths): Promise<number> {
  const taken = new Set((await listLabHosts(paths)).map((host) => host.index));
  const index = Array.from({ length: 253 }, (_, at) => at + 2).find((at) => !taken.has(at));
  if (index !== undefined) return index;
  throw new HostkitError("lab_unavailable", {
    what: "all 253 lab addresses are taken",
    next: "hostkit lab down",
  });
}

/** The key that logs in, and the host's own; its RSA key is the base image's. */
async function makeKeys(name: string, keyPath: string, etc: string): Promise<void> {
  const makeKey = (type: string, file: string, comment: string) =>
    execute("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", comment, "-f", file], {
      stdin: "ignore",
    });
  await Promise.all([
    makeKey("ed25519", keyPath, `hostkit-lab-${name}`),
    ...["ed25519", "ecdsa"].map((type) =>
      makeKey(type, path.join(etc, `ssh/ssh_host_${type}_key`), `root@${name}`),
    ),
  ]);
}

/** Name, machine id and resolver: what an image has to leave to each host. */
async function writeIdentity(etc: string, name: string): Promise<void> {
  await writeFile(path.join(etc, "hostname"), `${name}\n`);
  await writeFile(path.join(etc, "machine-id"), `${randomBytes(16).toString("hex")}\n`, {
    mode: 0o444,
  });
  await writeFile(path.join(etc, "resolv.conf"), await resolverConfiguration());
  const ip6 =
    "::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n";
  await writeFile(path.join(etc, "hosts"), `127.0.0.1 localhost\n127.0.1.1 ${name}\n\n${ip6}`);
}

/** Lets the lab's key log in as every user that hosts have. */
async function authorizeKey(folder: string, keyPath: string): Promise<void> {
  for (const { home, uid } of loginUsers) {
    const ssh = path.join(folder, "upper", home, ".ssh");
    await mkdir(ssh, { recursive: true });
    const authorized = path.join(ssh, "authorized_keys");
    await copyFile(`${keyPath}.pub`, authorized);
    await chmod(authorized, 0o600);
    for (const made of [path.dirname(ssh), ssh]) await chmod(made, 0o700);
    for (const made of [path.dirname(ssh), ssh, authorized]) await chown(made, uid, uid);
  }
}

/** Type and key of a public key file, without the comment. */
async function readPublicKey(file: string): Promise<string> {
  const [kind = "", key = ""] = (await readFile(file, "utf8")).split(" ");
  return `${kind} ${key}`;
}

async function removeTraces(name: string, paths: LabPaths): Promise<void> {
  await cutPower(paths, name);
  await rm(hostFolder(paths, name), {
    recursive: true,
    force: true,
    maxRetries: 10,
    retryDelay: 50,
  });
  const uses = path.join(paths.cache, "uses");
  for (const use of await readdir(uses).catch(() => [])) {
    if (use.endsWith(`@${paths.id}-${name}`)) await rm(path.join(uses, use), { force: true });
  }
}

async function removeEmptyLab(paths: LabPaths): Promise<void> {
  const left = await readdir(path.join(paths.state, "hosts")).catch(() => []);
  if (left.length > 0) return;
  await removeNetwork(paths);
  await rmdir(path.join(paths.state, "hosts")).catch(() => undefined);
  await rmdir(paths.state).catch(() => undefined);
}

/** A stub resolver on this machine's loopback is out of a host's reach; systemd-resolved keeps the real list beside. */
async function resolverConfiguration(): Promise<string> {
  const real = "/run/systemd/resolve/resolv.conf";
  const own = await readFile("/etc/resolv.conf", "utf8").catch(() => "");
  const text =
    /^nameserver\s+127\./m.test(own) && (await exists(real)) ? await readFile(real, "utf8") : own;
  return `${text
    .split("\n")
    .filter((line) => /^(nameserver|search|options)\s/.test(line))
    .join("\n")}\n`;
}

function checkName(name: string): void {
  if (/^[a-z][a-z0-9-]{0,30}$/.test(name) && !name.endsWith("-")) return;
  throw new HostkitError("usage", {
    what: `${JSON.stringify(name)} cannot be a lab host's name`,
    why: "a name is 1 to 31 small letters, digits and dashes, starts with a letter and ends with none of the dashes",
  });
}

function hostFolder(paths: LabPaths, name: string): string {
  return path.join(paths.state, "hosts", name);
}

function useFile(paths: LabPaths, name: string, base: string): string {
  return path.join(paths.cache, "uses", `${path.basename(base)}@${paths.id}-${name}`);
}

function hostsLock(paths: LabPaths): string {
  return path.join(paths.cache, "hosts.lock");
}
