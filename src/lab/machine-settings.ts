import { readFile, rm, writeFile } from "node:fs/promises";
import { execute } from "./programs.ts";

/**
 * Kernel settings of this machine that a lab changes, or that a lab host can change because it shares the kernel:
 * what provisioned hosts usually set outside `net.*` (each host has its own network settings).
 */
const settings = [
  "net/ipv4/ip_forward",
  "net/ipv6/conf/all/forwarding",
  "fs/inotify/max_user_instances",
  "fs/inotify/max_user_watches",
  "fs/aio-max-nr",
  "fs/file-max",
  "fs/nr_open",
  "fs/protected_fifos",
  "fs/protected_hardlinks",
  "fs/protected_regular",
  "fs/protected_symlinks",
  "fs/suid_dumpable",
  "kernel/core_pattern",
  "kernel/core_uses_pid",
  "kernel/dmesg_restrict",
  "kernel/kptr_restrict",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/perf_event_paranoid",
  "kernel/pid_max",
  "kernel/printk",
  "kernel/randomize_va_space",
  "kernel/shmall",
  "kernel/shmmax",
  "kernel/sysrq",
  "kernel/threads-max",
  "kernel/unprivileged_bpf_disabled",
  "kernel/yama/ptrace_scope",
  "net/core/bpf_jit_harden",
  "vm/dirty_background_bytes",
  "vm/dirty_background_ratio",
  "vm/dirty_bytes",
  "vm/dirty_ratio",
  "vm/max_map_count",
  "vm/mmap_min_addr",
  "vm/nr_hugepages",
  "vm/overcommit_memory",
  "vm/overcommit_ratio",
  "vm/swappiness",
];

/** Outside every lab's folder, because the kernel has one value for all labs; gone after a reboot, like the values. */
const savedFile = "/run/hostkit-lab.settings";

/** Notes the machine's settings, unless an earlier host did; then opens what the hosts need. */
export async function openMachine(wants: { readonly forward6: boolean }): Promise<void> {
  const known = await readFile(savedFile, "utf8").catch(() => undefined);
  if (known === undefined) {
    const before = await Promise.all(settings.map(async (key) => [key, await readSetting(key)]));
    await writeFile(savedFile, JSON.stringify(Object.fromEntries(before)));
  }
  await raise("net/ipv4/ip_forward", 1);
  if (wants.forward6) await raise("net/ipv6/conf/all/forwarding", 1);
  // All hosts are root to the kernel, and each systemd takes about ten of root's 128 instances.
  await raise("fs/inotify/max_user_instances", 4096);
}

/** Puts the machine's settings back, unless another lab of this machine still has its network. Idempotent. */
export async function closeMachine(): Promise<void> {
  const tables = await execute("nft", ["list", "tables"], { reject: false });
  if ((tables.stdout ?? "").includes("inet hostkit_lab_")) return;
  const text = await readFile(savedFile, "utf8").catch(() => undefined);
  if (text === undefined) return;
  for (const [key, before] of Object.entries(JSON.parse(text) as Record<string, string>)) {
    // A few only go one way (kernel.unprivileged_bpf_disabled=1) or hold another's zero (vm.dirty_bytes).
    if (before === (await readSetting(key))) continue;
    await writeFile(`/proc/sys/${key}`, before).catch(() => undefined);
  }
  await rm(savedFile, { force: true });
}

async function raise(key: string, least: number): Promise<void> {
  const now = await readSetting(key);
  if (now !== undefined && Number(now) < least) await writeFile(`/proc/sys/${key}`, String(least));
}

async function readSetting(key: string): Promise<string | undefined> {
  const text = await readFile(`/proc/sys/${key}`, "utf8").catch(() => undefined);
  return text?.trim();
}
