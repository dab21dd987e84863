import { createHash } from "node:crypto";
import { readFile, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { execute } from "./programs.ts";
import type { LabHost } from "./lab-host.ts";
import type { LabNetwork } from "./network.ts";
import type { LabPaths } from "./paths.ts";
import { renderSupervisor } from "./supervisor.ts";
import { exists, unifiedCgroup } from "./tools.ts";

/** The names under which the kernel and systemd know one host; they follow from the lab and the host alone. */
export function kernelNames(paths: LabPaths, name: string) {
  const id = `hostkit-${paths.id}-${name}`;
  // An interface name has 15 characters at most.
  const veth = `hkl-${createHash("sha256").update(id).digest("hex").slice(0, 10)}`;
  return { netns: id, machine: id, unit: `${id}.service`, cgroup: id, veth };
}

/** Starts the supervisor of a host, detached from this process; it boots the host at once. */
export async function startSupervisor(
  paths: LabPaths,
  host: LabHost,
  network: LabNetwork,
): Promise<void> {
  const names = kernelNames(paths, host.name);
  const underSystemd = await exists("/run/systemd/system");
  const tree = await unifiedCgroup();
  const script = path.join(host.folder, "supervise");
  const settings = {
    name: host.name,
    machine: names.machine,
    folder: host.folder,
    base: host.base,
    netns: names.netns,
    veth: names.veth,
    bridge: network.bridge,
    mtu: network.mtu,
    mac: `02:68:6b:${paths.id.slice(0, 2)}:${paths.id.slice(2, 4)}:${host.index.toString(16).padStart(2, "0")}`,
    address: host.address,
    gateway: `${network.prefix}.1`,
    address6: host.address6,
    gateway6: network.outside6 ? `${network.prefix6}::1` : undefined,
    cgroup: underSystemd || tree === undefined ? undefined : path.join(tree, names.cgroup),
  };
  await writeFile(script, renderSupervisor(settings), { mode: 0o700 });
  await rm(path.join(host.folder, "cgroup"), { force: true });
  if (underSystemd) await runAsUnit(names.unit, script);
  else await runInSession(script);
  // Only a supervisor that sits in its control group can be found and ended again.
  await waitUntil(`the supervisor of ${host.name} runs`, () =>
    exists(path.join(host.folder, "cgroup")),
  );
}

/** Its own unit: it must not end with the session or service this process belongs to, and gets real controllers. */
async function runAsUnit(unit: string, script: string): Promise<void> {
  const set = ["Delegate=yes", "KillMode=control-group", "TasksMax=infinity"];
  const properties = set.flatMap((property) => ["--property", property]);
  const args = ["--quiet", "--collect", `--unit=${unit}`, ...properties, "sh", script];
  await execute("systemd-run", args, { stdin: "ignore" });
}

async function runInSession(script: string): Promise<void> {
  await execute("setsid", ["--fork", "sh", script], {
    stdio: "ignore",
    cwd: "/",
    extendEnv: false,
  });
}

/** Whether the host's supervisor lives: the host runs, boots or reboots. */
export async function supervisorRuns(paths: LabPaths, name: string): Promise<boolean> {
  const folder = await cgroupOf(paths, name);
  const pids = await readFile(path.join(folder, "supervisor/cgroup.procs"), "utf8").catch(() => "");
  return pids.trim() !== "";
}

/** The process id of the host's own PID 1 on this machine; undefined when the host is off. */
export async function leaderPid(paths: LabPaths, name: string): Promise<number | undefined> {
  const folder = path.join(await cgroupOf(paths, name), "machine");
  for (const group of ["payload/init.scope", "payload", "init.scope", "."]) {
    const pids = await readFile(path.join(folder, group, "cgroup.procs"), "utf8").catch(() => "");
    for (const pid of pids.split("\n").filter((line) => line !== "")) {
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      if (/^NSpid:\s+\d+\s+1$/m.test(status)) return Number(pid);
    }
  }
  return undefined;
}

/**
 * Cuts the host's power: every process of it is killed at once, none is told. The disk stays as it is.
 * Returns when no process, namespace, interface and control group of the host is left. Idempotent.
 */
export async function cutPower(paths: LabPaths, name: string): Promise<void> {
  const names = kernelNames(paths, name);
  const folder = await cgroupOf(paths, name);
  await writeFile(path.join(folder, "cgroup.kill"), "1").catch(() => undefined);
  await waitUntil(`processes of lab host ${name} are gone`, async () => {
    const events = await readFile(path.join(folder, "cgroup.events"), "utf8").catch(() => "");
    return !events.includes("populated 1");
  });
  if (await exists("/run/systemd/system"))
    await execute("systemctl", ["stop", names.unit], { reject: false });
  await execute("ip", ["link", "delete", names.veth], { reject: false });
  await execute("ip", ["netns", "delete", names.netns], { reject: false });
  await removeCgroup(folder);
  // systemd-nspawn copies its group into the old tree where a machine has both.
  await removeCgroup(`/sys/fs/cgroup/systemd/${names.cgroup}`);
  const lock = (
    await readFile(path.join(paths.state, "hosts", name, "nspawn-lock"), "utf8").catch(() => "")
  ).trim();
  if (lock.startsWith("/run/systemd/nspawn/locks/")) await rm(lock, { force: true });
  for (const left of ["propagate", "unix-export"]) {
    await rm(`/run/systemd/nspawn/${left}/${names.machine}`, {
      recursive: true,
      force: true,
    }).catch(() => undefined);
  }
}

async function cgroupOf(paths: LabPaths, name: string): Promise<string> {
  const names = kernelNames(paths, name);
  const noted = await readFile(path.join(paths.state, "hosts", name, "cgroup"), "utf8").catch(
    () => undefined,
  );
  if (noted !== undefined && noted.trim() !== "") return noted.trim();
  return path.join((await unifiedCgroup()) ?? "/sys/fs/cgroup", names.cgroup);
}

async function removeCgroup(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries)
    if (entry.isDirectory()) await removeCgroup(path.join(folder, entry.name));
  await rmdir(folder).catch(() => undefined);
}

/** Polls a kernel state that has no event to wait for. */
export async function waitUntil(
  what: string,
  check: () => Promise<boolean>,
  seconds = 20,
): Promise<void> {
  const until = Date.now() + seconds * 1000;
  while (!(await check())) {
    if (Date.now() > until)
      throw new HostkitError("lab_unavailable", { what: `waited ${seconds} s until ${what}` });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
