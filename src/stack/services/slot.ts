import type { SlotName } from "../../facts/containers/releases.ts";
import { mostReplicas } from "../../manifest/services.ts";
import { hookContainerOf } from "../../resources/containers/slots.ts";
import type { HookPlan, SlotFile, SlotPlan } from "../../resources/containers/slots.ts";
import { writeDockerEnvironment } from "../../writers/environment.ts";
import { systemdNames, systemdPath, systemdText } from "../../writers/systemd.ts";
import { databaseAddress } from "../database/database-tcp.ts";
import type { StackInputs } from "../inputs.ts";
import { configDirectoryOf, networkOf, targetOf, volumeNameOf, webUnitOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import { renderHooks } from "./hook.ts";
import { isAskedOnHost } from "./health-check.ts";
import {
  renderCheck,
  renderCommandLauncher,
  renderLauncher,
  watchdogSecondsOf,
} from "./launcher.ts";
import type { ContainerPlan } from "./launcher.ts";
import { allocatePorts, commandLauncherOf, containerOf, portOf } from "./service-places.ts";
import { startAfterUnits } from "./start-order.ts";
import { fillVariables } from "./variables.ts";
import type { Places } from "./variables.ts";
import type { Workload } from "./workload.ts";

/** RFC 1918: Docker takes its networks from these. */
const privateSubnets = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/** A slot without its upstream file, which names the release that is made from all the others. */
export interface OpenPlan extends Omit<SlotPlan, "upstream"> {
  /** Where its copies listen on the host; none where nothing is asked of them. */
  readonly addresses: readonly string[];
}

/** Where a container sees what is mounted into it. */
export const containerPlaces: Places = {
  pathOf: ({ name }) => `/run/secrets/${name}`,
  databaseHost: databaseAddress,
};

/** How a workload would stand in one of the two slots. */
export function planSlot(
  inputs: StackInputs,
  workload: Workload,
  image: string,
  slot: SlotName,
): OpenPlan {
  const { stack, name } = workload;
  const unitsUpTo = (count: number) =>
    Array.from({ length: count }, (_, index) => webUnitOf(stack, name, slot, index + 1));
  const shared = placeFiles(workload, slot);
  const copies = listCopies(inputs, workload, slot);
  const hooks = planHooks(workload, image, shared);
  return {
    slot,
    files: [
      ...shared.files,
      ...copies.flatMap((copy) => renderCopy(inputs, workload, image, shared, copy)),
      renderOneOffs(workload, image, shared, slot),
    ],
    units: unitsUpTo(copies.length),
    possibleUnits: unitsUpTo(mostReplicas),
    addresses: workload.kind === "web" ? copies.map(({ port }) => `127.0.0.1:${port}`) : [],
    ...(hooks.length === 0 ? {} : { hooks }),
    checks: copies.map((copy) =>
      renderCheck(planContainer(workload, image, shared, copy.container, copy.port)),
    ),
  };
}

function planHooks(workload: Workload, image: string, shared: SharedFiles): HookPlan[] {
  const container = hookContainerOf(workload.stack, workload.name);
  return renderHooks(planContainer(workload, image, shared, container));
}

/** What `hostkit run` starts: no copy's name ends as that file's does. */
function renderOneOffs(
  workload: Workload,
  image: string,
  shared: SharedFiles,
  slot: SlotName,
): SlotFile {
  const path = commandLauncherOf(workload.stack, workload.name, slot);
  // The container's name comes with each command.
  const plan = planContainer(workload, image, shared, "");
  return slotFile(path, { text: renderCommandLauncher(plan) }, "0755");
}

/** One of the containers that run the same at once. */
interface Copy {
  readonly slot: SlotName;
  readonly replica: number;
  readonly container: string;
  readonly unit: string;
  readonly port: number;
}

function listCopies({ manifest }: StackInputs, workload: Workload, slot: SlotName): Copy[] {
  const { stack, name } = workload;
  const ports = allocatePorts(manifest);
  const replicas = workload.kind === "web" ? workload.replicas : 1;
  return Array.from({ length: replicas }, (_, index) => ({
    slot,
    replica: index + 1,
    container: containerOf(stack, name, slot, index + 1),
    unit: webUnitOf(stack, name, slot, index + 1),
    port: portOf(ports, workload, slot, index + 1),
  }));
}

/** What every copy of the slot reads. */
interface SharedFiles extends Pick<ContainerPlan, "environmentFile" | "exported" | "secrets"> {
  readonly files: readonly SlotFile[];
}

function slotFile(
  path: string,
  content: SlotFile["content"],
  mode: string,
  owner = "root",
): SlotFile {
  return { path, content, mode, owner, group: owner };
}

function placeFiles(workload: Workload, slot: SlotName): SharedFiles {
  const { stack, name: service, user } = workload;
  const folder = configDirectoryOf(stack);
  const base = `${folder}/containers/${stack}-${service}-${slot}`;
  const variables = writeDockerEnvironment(fillVariables(workload, containerPlaces));
  const environment = slotFile(`${base}.env`, { secret: variables.file }, "0600");
  const exports =
    variables.exported.length === 0
      ? []
      : [slotFile(`${base}.exports`, { secret: variables.exports }, "0600")];
  const placed = workload.secretFiles.map((secret) => {
    const { name } = secret;
    if (secret.kind === "made") return { name, path: secret.path, files: [] };
    const path = `${folder}/secrets/${service}-${slot}/${name}`;
    return { name, path, files: [slotFile(path, { secret: secret.value }, "0400", user)] };
  });
  return {
    environmentFile: environment.path,
    exported: exports.map(({ path: from }) => ({ from, names: variables.exported })),
    secrets: placed.map(({ name, path }) => ({ name, path })),
    files: [environment, ...exports, ...placed.flatMap(({ files }) => files)],
  };
}

/**
 * A container of the slot, whatever it is for.
 * @param port where it listens on the host; absent: nobody asks it anything
 */
function planContainer(
  workload: Workload,
  image: string,
  { environmentFile, exported, secrets }: SharedFiles,
  container: string,
  port?: number,
): ContainerPlan {
  const { stack } = workload;
  return {
    ...{ workload, image, environmentFile, exported, secrets, container },
    network: networkOf(stack),
    mounts: workload.mounts.map((one) => ({
      ...one,
      from: one.kind === "named" ? volumeNameOf(stack, one.name) : one.source,
    })),
    ...(workload.kind === "web" && port !== undefined
      ? { published: { port, inside: workload.port } }
      : {}),
    ...(workload.health === undefined ? {} : { health: workload.health }),
  };
}

/** One copy's launcher and unit. */
function renderCopy(
  inputs: StackInputs,
  workload: Workload,
  image: string,
  shared: SharedFiles,
  copy: Copy,
): SlotFile[] {
  const { stack } = workload;
  const path = `${configDirectoryOf(stack)}/containers/${copy.container}.sh`;
  const launcher = renderLauncher(
    planContainer(workload, image, shared, copy.container, copy.port),
  );
  const unitText = renderCopyUnit(inputs, workload, copy, path);
  return [
    slotFile(path, { text: launcher }, "0755"),
    slotFile(`/etc/systemd/system/${copy.unit}`, { text: unitText }, "0644"),
  ];
}

function renderCopyUnit(
  inputs: StackInputs,
  workload: Workload,
  { slot, replica, container }: Copy,
  launcher: string,
): string {
  const { stack, database } = workload;
  const { health } = workload;
  const wants = ["docker.service", ...(database ? ["postgresql.service"] : [])];
  // Only where Docker's proxy cannot be asked: see the launcher.
  const subnets = workload.kind === "web" && !isAskedOnHost(workload.health) ? privateSubnets : [];
  return renderTemplate(inputs.templates, "etc/systemd/system/container.service.ejs", {
    stack: systemdText(stack),
    service: systemdText(workload.name),
    slot: systemdText(slot),
    replica,
    target: systemdNames(targetOf(stack)),
    container: systemdNames(container),
    launcher: systemdPath(launcher),
    wants: wants.map((one) => systemdNames(one)),
    after: startAfterUnits(stack, workload.after).map((one) => systemdNames(one)),
    subnets: subnets.map((one) => systemdNames(one)),
    rival: workload.isExclusive
      ? systemdNames(webUnitOf(stack, workload.name, slot === "a" ? "b" : "a", replica))
      : undefined,
    isFirst: slot === "a",
    startSeconds: workload.graceSeconds + 30,
    watchdogSeconds: watchdogSecondsOf(health),
  });
}
