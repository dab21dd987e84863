import { exitCodes, HostkitError } from "../errors.ts";
import { need } from "../facts/fact.ts";
import type { Facts } from "../facts/fact.ts";
import { diskFacts } from "../facts/files/disk.ts";
import { textFacts } from "../facts/files/file.ts";
import { lockFacts } from "../facts/lock.ts";
import { packageFacts } from "../facts/packages/package.ts";
import { rivalFirewallFacts, rivalFirewalls } from "../facts/system/rival-firewall.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { unitFacts } from "../facts/units/unit.ts";
import { gatherFacts } from "../host/gather.ts";
import { checkSystem } from "../host/inspect.ts";
import { inspectMachine, isWritable } from "../local/machine.ts";
import { stackDirectoryOf } from "../stack/names.ts";
import {
  adviseHolder,
  describeHolder,
  findPortConflicts,
  portNeeds,
} from "../plan/port-conflicts.ts";
import { parseState, statePath } from "../plan/state.ts";
import { renderDiagnoses } from "../report/diagnoses.ts";
import type { Diagnosis } from "../report/diagnoses.ts";
import { logDirectoryOf } from "../report/log.ts";
import type { Context } from "../session/context.ts";
import type { Verb } from "./line/verb.ts";
import { newMarker, openProject } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";
import { containersOf } from "../manifest/services.ts";

/** What could keep hostkit from working, here and on each host, and what to do about it. */
export const runDoctor: Verb = async (context) => {
  const sections: { title: string; diagnoses: Diagnosis[] }[] = [
    { title: "this machine", diagnoses: await examineMachine(context) },
  ];
  const opened = await openProject(context).catch((error: unknown) => error);
  if (opened instanceof HostkitError) {
    const isMissing = opened.code === "file_missing" && context.options.file === undefined;
    sections[0]?.diagnoses.push(
      isMissing
        ? {
            about: "manifest",
            state: "warning",
            message: "no hostkit.yaml here: hosts are not looked at",
            next: "hostkit init",
          }
        : fromError("manifest", opened),
    );
  } else if (opened instanceof Error) {
    throw opened;
  } else {
    const project = opened as Project;
    const found = await Promise.all(project.hosts.map((host) => examineHost(project, host)));
    project.hosts.forEach((host, index) =>
      sections.push({ title: host.name, diagnoses: found[index] ?? [] }),
    );
  }
  if (context.options.json === true) {
    context.print(JSON.stringify({ sections }, undefined, 2));
  } else {
    const parts = sections.map(({ title, diagnoses }) =>
      renderDiagnoses(title, diagnoses, context.colors),
    );
    context.print(parts.join("\n\n"));
  }
  const isBad = sections.some(({ diagnoses }) =>
    diagnoses.some(({ state }) => state === "problem"),
  );
  return isBad ? exitCodes.failed : exitCodes.ok;
};

async function examineMachine(context: Context): Promise<Diagnosis[]> {
  const { environment } = context.terminal;
  const machine = await inspectMachine(environment);
  const [major = 0, minor = 0] = machine.nodeVersion.split(".").map(Number);
  const isNewEnough = major > 20 || (major === 20 && minor >= 19);
  const logs = logDirectoryOf(environment);
  return [
    isNewEnough
      ? { about: "Node.js", state: "ok", message: machine.nodeVersion }
      : {
          about: "Node.js",
          state: "problem",
          message: `${machine.nodeVersion} is too old`,
          next: "install Node.js 20.19 or newer",
        },
    examineKeys(machine.keys, machine.agent),
    (await isWritable(logs))
      ? { about: "log files", state: "ok", message: logs }
      : {
          about: "log files",
          state: "problem",
          message: `${logs} cannot be written`,
          next: "mend its owner, or set XDG_STATE_HOME",
        },
    await examineLab(machine.isRoot, machine.platform),
  ];
}

function examineKeys(keys: readonly string[], agent: "none" | "dead" | "alive"): Diagnosis {
  const about = "SSH keys";
  if (agent === "dead") {
    return {
      about,
      state: "warning",
      message: "SSH_AUTH_SOCK is set, but no agent answers there",
      next: 'eval "$(ssh-agent)"; ssh-add',
    };
  }
  const parts = [...(agent === "alive" ? ["an agent"] : []), ...keys.map((key) => `~/.ssh/${key}`)];
  if (parts.length > 0) return { about, state: "ok", message: parts.join(", ") };
  return {
    about,
    state: "warning",
    message:
      "no agent and no key in ~/.ssh: only hosts with `identity` in the manifest can be reached",
    next: "ssh-keygen -t ed25519; ssh-copy-id USER@HOST",
  };
}

async function examineLab(isRoot: boolean, platform: string): Promise<Diagnosis> {
  const about = "lab hosts";
  if (platform !== "linux")
    return { about, state: "ok", message: `not on ${platform}; everything else works` };
  const { missingLabPackages } = await import("../lab/tools.ts");
  const missing = await missingLabPackages();
  const rest = isRoot ? "" : "; they need root";
  if (missing.length === 0) return { about, state: "ok", message: `possible here${rest}` };
  return {
    about,
    state: "ok",
    message: `not possible yet (only needed for --lab and \`hostkit lab\`)${rest}`,
    next: `apt-get install -y --no-install-recommends ${missing.join(" ")}`,
  };
}

const diskFolders = ["/", "/var"];

async function examineHost(project: Project, host: HostAccess): Promise<Diagnosis[]> {
  const startedAt = performance.now();
  try {
    const connection = await host.connect();
    try {
      const reached: Diagnosis = {
        about: "connection",
        state: "ok",
        message: `${connection.description}, commands run as root (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`,
      };
      const directory = stackDirectoryOf(project.manifest.stack);
      const needs = [
        need(systemFacts, systemSubject),
        ...diskFolders.map((folder) => need(diskFacts, folder)),
        ...portNeeds,
        need(textFacts, statePath(directory)),
        need(packageFacts, "docker.io"),
        need(packageFacts, "docker-ce"),
        need(unitFacts, "docker.service"),
        need(lockFacts, directory),
        ...Object.keys(rivalFirewalls).map((name) => need(rivalFirewallFacts, name)),
      ];
      const facts = await gatherFacts(connection, needs, newMarker());
      return [
        reached,
        ...examineSystem(facts, connection.description),
        ...examineStack(project, facts, directory),
      ];
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (error instanceof HostkitError) return [fromError("connection", error)];
    throw error;
  }
}

function examineSystem(facts: Facts, where: string): Diagnosis[] {
  const system = facts.get(systemFacts, systemSubject);
  const diagnoses: Diagnosis[] = [];
  try {
    checkSystem(system, { description: where });
    diagnoses.push({
      about: "system",
      state: "ok",
      message: `${system.prettyName}, ${system.architecture}, with systemd`,
    });
  } catch (error) {
    if (!(error instanceof HostkitError)) throw error;
    return [fromError("system", error)];
  }
  diagnoses.push(examineClock(system.time));
  const gib = (kib: number) => `${(kib / 1024 / 1024).toFixed(1)} GiB`;
  const free = Math.min(
    ...diskFolders.map((folder) => facts.get(diskFacts, folder)?.free ?? Infinity),
  );
  diagnoses.push(
    free >= 2 * 1024 * 1024
      ? { about: "disk", state: "ok", message: `${gib(free)} free` }
      : {
          about: "disk",
          state: "warning",
          message: `only ${gib(free)} free`,
          next: "a stack with containers and PostgreSQL takes about 2 GiB",
        },
    system.memoryKib >= 900 * 1024
      ? { about: "memory", state: "ok", message: gib(system.memoryKib) }
      : {
          about: "memory",
          state: "warning",
          message: `${gib(system.memoryKib)} is little`,
          next: "set host.swap in the manifest",
        },
  );
  return diagnoses;
}

/** @param time the host's, in seconds since 1970 */
function examineClock(time: number): Diagnosis {
  const skew = Math.round(time - Date.now() / 1000);
  if (Math.abs(skew) <= 5) return { about: "clock", state: "ok", message: "the same as here" };
  return {
    about: "clock",
    state: Math.abs(skew) > 60 ? "problem" : "warning",
    message: `${Math.abs(skew)} s ${skew > 0 ? "ahead of" : "behind"} this machine: certificates and apt may fail`,
    next: "timedatectl set-ntp true   on the host",
  };
}

function examineDocker(project: Project, facts: Facts): Diagnosis[] {
  const docker = facts.get(packageFacts, "docker.io") ?? facts.get(packageFacts, "docker-ce");
  const unit = facts.get(unitFacts, "docker.service");
  const about = "docker";
  if (docker === undefined) {
    if (containersOf(project.manifest).length === 0) return [];
    return [{ about, state: "ok", message: "not installed yet; provision does it" }];
  }
  if (unit?.activeState === "active") return [{ about, state: "ok", message: docker.version }];
  return [
    {
      about,
      state: "problem",
      message: `${docker.version}, but its service is ${unit?.activeState ?? "missing"}`,
      next: "systemctl status docker   on the host",
    },
  ];
}

function examineStack(project: Project, facts: Facts, directory: string): Diagnosis[] {
  const diagnoses = examineDocker(project, facts);
  const owned = parseState(facts.get(textFacts, statePath(directory)) ?? "");
  for (const conflict of findPortConflicts(project.manifest, owned, facts)) {
    diagnoses.push({
      about: `port ${conflict.port}/${conflict.protocol}`,
      state: "problem",
      message: `${describeHolder(conflict)} holds it, ${conflict.wantedBy} needs it`,
      next: `on the host: ${adviseHolder(conflict)}`,
    });
  }
  for (const rival of project.manifest.firewall === undefined
    ? []
    : facts.all(rivalFirewallFacts).keys()) {
    diagnoses.push({
      about: "firewall",
      state: "problem",
      message: `${rival} is switched on and would block what the manifest opens`,
      next: `${rivalFirewalls[rival]}   on the host, or write \`firewall: none\` in the manifest`,
    });
  }
  const lockedBy = facts.get(lockFacts, directory);
  if (lockedBy !== undefined) {
    diagnoses.push({
      about: "lock",
      state: "warning",
      message: `a run is going on: ${lockedBy}`,
      next: "hostkit attach",
    });
  }
  return diagnoses;
}

function fromError(about: string, { parts }: HostkitError): Diagnosis {
  const message = [parts.what, parts.why].filter((part) => part !== undefined).join(": ");
  const details = parts.details?.slice(0, 3).join("; ");
  return {
    about,
    state: "problem",
    message: details === undefined ? message : `${message} (${details})`,
    ...(parts.next === undefined ? {} : { next: parts.next }),
  };
}
