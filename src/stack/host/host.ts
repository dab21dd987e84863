import { block } from "../../resources/files/block.ts";
import { file } from "../../resources/files/file.ts";
import { hostname } from "../../resources/system/hostname.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource } from "../../resources/resource.ts";
import { sshdDropIn, sshdPath } from "../../resources/system/sshd.ts";
import { swapFile } from "../../resources/system/swap.ts";
import { sysctlFile } from "../../resources/system/sysctl.ts";
import { timeSync } from "../../resources/system/time-sync.ts";
import { timezone } from "../../resources/system/timezone.ts";
import { unit } from "../../resources/units/unit.ts";
import {
  auditPackages,
  kernelSettings,
  passwordHashing,
  sshAlgorithmsOf,
  unusedModules,
  updateOriginsOf,
} from "./host-settings.ts";
import { packagesId } from "../inputs.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { stackDirectoryOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import { aptString, aptWord } from "../../writers/apt.ts";
import { moduleName } from "../../writers/modprobe.ts";
import { sshdAlgorithms } from "../../writers/sshd.ts";

/** The host itself: sshd, updates, clock, kernel settings, journal, swap, name (manifest section `host`). */
export function resolveHost(inputs: StackInputs): Section {
  const { host } = inputs.manifest;
  const resources: Resource[] = [
    ...resolveSshd(inputs),
    sysctlFile(
      "/etc/sysctl.d/60-hostkit.conf",
      { ...kernelSettings, ...host.sysctl },
      stackDirectoryOf(inputs.manifest.stack),
      Object.keys(host.sysctl),
    ),
    ...resolveJournal(inputs),
    ...resolveUpdates(inputs),
    ...resolveHardening(inputs),
    ...resolveIntegrity(inputs),
  ];
  if (host.timezone !== undefined)
    resources.push({ ...timezone(host.timezone, [packagesId]), shared: "said" });
  if (host.hostname !== undefined) resources.push(...resolveHostname(inputs, host.hostname));
  if (host.swapBytes !== undefined) resources.push({ ...swapFile(host.swapBytes), shared: "said" });
  if (host.timeSync) resources.push(timeSync([packagesId], sharedBy(inputs, "time_sync")));
  return {
    packages: [
      ...auditPackages,
      ...(host.updates === "none" ? [] : ["unattended-upgrades"]),
      ...(host.timezone === undefined ? [] : ["tzdata"]),
    ],
    resources,
  };
}

/** What the manifest says wins over what is only a default in another stack's. */
function sharedBy(
  inputs: StackInputs,
  key: StackInputs["manifest"]["host"]["said"][number],
): "said" | "default" {
  return inputs.manifest.host.said.includes(key) ? "said" : "default";
}

/** A template without a stack in its path: the host has one sshd, one journal. */
function hostFile(
  inputs: StackInputs,
  path: string,
  data: Readonly<Record<string, unknown>>,
): string {
  return renderTemplate(inputs.templates, `${path.slice(1)}.ejs`, data);
}

function resolveSshd(inputs: StackInputs): Resource[] {
  if (!inputs.manifest.host.ssh.harden) return [];
  const path = sshdPath;
  const { kex, ciphers, macs, hostKeys } = sshAlgorithmsOf(inputs.system);
  const text = hostFile(inputs, path, {
    kex: sshdAlgorithms(kex),
    ciphers: sshdAlgorithms(ciphers),
    macs: sshdAlgorithms(macs),
    hostKeys: sshdAlgorithms(hostKeys),
  });
  const shared = sharedBy(inputs, "ssh");
  return [sshdDropIn(path, text, stackDirectoryOf(inputs.manifest.stack), { shared })];
}

function resolveJournal(inputs: StackInputs): Resource[] {
  const path = "/etc/systemd/journald.conf.d/60-hostkit.conf";
  const limits = file(path, hostFile(inputs, path, inputs.manifest.host.journal), {
    shared: sharedBy(inputs, "journal"),
  });
  const journal = unit("systemd-journald.service", stackDirectoryOf(inputs.manifest.stack), {
    watches: [idOf(limits)],
    ours: false,
  });
  return [limits, journal];
}

function resolveUpdates(inputs: StackInputs): Resource[] {
  const { updates } = inputs.manifest.host;
  const path = "/etc/apt/apt.conf.d/52hostkit";
  const origins = updates === "none" ? [] : updateOriginsOf(inputs.system, updates);
  const text = hostFile(inputs, path, {
    updates: aptWord(updates),
    isOn: updates !== "none",
    origins: origins.map(aptString),
  });
  return [file(path, text, { shared: sharedBy(inputs, "updates") })];
}

/** Small files that keep core dumps, rarely used kernel modules and weak passwords away. */
function resolveHardening(inputs: StackInputs): Resource[] {
  const plain = (path: string, data: Readonly<Record<string, unknown>> = {}) =>
    file(path, hostFile(inputs, path, data), { shared: "default" });
  return [
    plain("/etc/security/limits.d/60-hostkit.conf"),
    plain("/etc/systemd/coredump.conf.d/60-hostkit.conf"),
    plain("/etc/profile.d/60-hostkit.sh"),
    plain("/etc/modprobe.d/60-hostkit.conf", { modules: unusedModules.map(moduleName) }),
    plain("/etc/issue"),
    plain("/etc/issue.net"),
    block("/etc/login.defs", "host", passwordHashing, { shared: "default" }),
  ];
}

/** A daily look for changed files: a log, no guard. */
function resolveIntegrity(inputs: StackInputs): Resource[] {
  const plain = (path: string) =>
    file(path, hostFile(inputs, path, {}), { after: [packagesId], shared: "default" });
  const files = [
    plain("/etc/hostkit/integrity.conf"),
    plain("/etc/default/debsums"),
    plain("/etc/systemd/system/hostkit-integrity.service"),
    plain("/etc/systemd/system/hostkit-integrity.timer"),
  ];
  const timer = unit("hostkit-integrity.timer", stackDirectoryOf(inputs.manifest.stack), {
    watches: files.map(idOf),
    shared: "default",
  });
  return [...files, timer];
}

/** The host must find its own name without DNS: sudo and Java look it up and wait. */
function resolveHostname(inputs: StackInputs, name: string): Resource[] {
  const short = name.split(".")[0] ?? name;
  const names = short === name ? name : `${name} ${short}`;
  const hosts = block("/etc/hosts", `${inputs.manifest.stack} name`, `127.0.1.1 ${names}\n`, {
    position: "top",
  });
  return [hosts, { ...hostname(name), shared: "said", after: [idOf(hosts)] }];
}
