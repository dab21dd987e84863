import { readFile } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { execute } from "./programs.ts";
import type { LabHost } from "./lab-host.ts";
import { lastLines } from "./tools.ts";

export interface LoginOptions {
  /** root unless said otherwise; `deploy` and `ops` have the same key. */
  readonly user?: "root" | "deploy" | "ops";
  readonly input?: string;
}

export interface LoginResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Arguments for OpenSSH's client; the host's key is pinned, the user's own ssh configuration is left out. */
export function sshArguments(host: LabHost, options: Pick<LoginOptions, "user"> = {}): string[] {
  const set = [
    `UserKnownHostsFile=${host.knownHostsPath}`,
    "GlobalKnownHostsFile=/dev/null",
    "StrictHostKeyChecking=yes",
    "IdentitiesOnly=yes",
    "BatchMode=yes",
    "ConnectTimeout=5",
    "LogLevel=ERROR",
  ];
  const target = `${options.user ?? host.user}@${host.address}`;
  return ["-F", "none", "-i", host.keyPath, ...set.flatMap((option) => ["-o", option]), target];
}

/** Runs a shell line on the host by OpenSSH's client; never throws, look at `exitCode` (255: ssh itself failed). */
export async function runOnLabHost(
  host: LabHost,
  command: string,
  options: LoginOptions = {},
): Promise<LoginResult> {
  const stdin =
    options.input === undefined ? ({ stdin: "ignore" } as const) : { input: options.input };
  const result = await execute("ssh", [...sshArguments(host, options), command], {
    reject: false,
    ...stdin,
  });
  return {
    exitCode: result.exitCode ?? 255,
    stdout: result.stdout ?? "",
    stderr: result.stderr ?? "",
  };
}

/**
 * Waits until systemd in the host says that booting is over. With `unlike`, an answer from that boot (its boot id)
 * does not count: right after a reboot was asked for, the old system may still answer.
 */
export async function waitUntilBooted(
  host: LabHost,
  options: { seconds?: number; unlike?: string } = {},
): Promise<void> {
  const { seconds = 60, unlike = "" } = options;
  const until = Date.now() + seconds * 1000;
  // Only whole logins: sshd punishes peers that connect and say nothing.
  const command = `cat ${bootIdFile}; systemctl is-system-running --wait`;
  let last: unknown;
  while (Date.now() < until) {
    const result = await runOnLabHost(host, command);
    const [bootId = "", state = ""] = result.stdout.split("\n");
    if (bootId !== unlike && (state === "running" || state === "degraded")) return;
    last = result;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const consoleLog = path.join(host.folder, "console.log");
  const console = await readFile(consoleLog, "utf8").catch(() => "");
  throw new HostkitError("lab_unavailable", {
    what: `lab host ${host.name} did not come up in ${seconds} s`,
    where: consoleLog,
    details: [...lastLines(last, 3), ...console.trimEnd().split("\n").slice(-15)],
    next: `hostkit lab down ${host.name}`,
  });
}

/** Reboots the host from inside, as an administrator would, and waits until it is up again. */
export async function rebootLabHost(host: LabHost): Promise<void> {
  const { stdout } = await runOnLabHost(host, `cat ${bootIdFile}`);
  await runOnLabHost(host, "systemctl reboot");
  await waitUntilBooted(host, { seconds: 120, unlike: stdout.trim() });
}

const bootIdFile = "/proc/sys/kernel/random/boot_id";
