import { hashText } from "../../facts/files/hash.ts";
import { directory } from "../../resources/files/directory.ts";
import { file } from "../../resources/files/file.ts";
import type { FileResource } from "../../resources/files/file.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource } from "../../resources/resource.ts";
import { unit } from "../../resources/units/unit.ts";
import { writeSystemdEnvironment } from "../../writers/environment.ts";
import { systemdExec, systemdNames, systemdPath, systemdText } from "../../writers/systemd.ts";
import { databaseAfter } from "../database/database-access.ts";
import { packagesId } from "../inputs.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { serviceUnitOf, stackDirectoryOf, targetOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import { checkNative, renderNativeHealth } from "./health-check.ts";
import { resolveProgram } from "./native-program.ts";
import type { Program } from "./native-program.ts";
import {
  environmentFileOf,
  healthFileOf,
  programDirectoryOf,
  secretFileOf,
} from "./service-places.ts";
import { resolveUser } from "./service-user.ts";
import { runningIdOf, startAfterUnits } from "./start-order.ts";
import { fillVariables } from "./variables.ts";
import type { Places } from "./variables.ts";
import type { ProgramOrigin, Workload } from "./workload.ts";

/** The files that a unit starts its program with. */
interface Configuration {
  readonly environment: FileResource;
  readonly secrets: readonly { readonly name: string; readonly file: FileResource }[];
  /** Sees whether the program is well. */
  readonly health?: FileResource;
}

/** A workload as a program under systemd: its user, program, configuration, secrets and unit. */
export function resolveNative(
  inputs: StackInputs,
  workload: Workload,
  runs: ProgramOrigin,
): Section {
  const user = resolveUser(inputs.manifest, workload.user);
  const program = resolveProgram(workload, runs);
  const configuration: Configuration = {
    environment: resolveEnvironment(workload),
    secrets: resolveSecrets(workload),
    ...resolveHealth(workload),
  };
  const files = [
    configuration.environment,
    ...configuration.secrets.map((one) => one.file),
    ...(configuration.health === undefined ? [] : [configuration.health]),
  ];
  const text = renderUnit(inputs, workload, program, configuration);
  const unitFile = file(`/etc/systemd/system/${unitOf(workload)}`, text);
  const kept = resolveKept(workload, user);
  const running = unit(unitOf(workload), stackDirectoryOf(workload.stack), {
    watches: [...files, unitFile, ...program.resources].map(idOf),
    inputs: hashText(text + program.version),
    ...watchStart(workload, program, files),
    after: [
      ...[user, ...kept].map(idOf),
      packagesId,
      ...databaseAfter(inputs.manifest, workload),
      ...workload.after.map((one) => runningIdOf(workload.stack, one)),
    ],
  });
  return {
    packages: [...program.packages, ...(workload.kind === "web" ? ["curl"] : [])],
    ...(program.pins === undefined ? {} : { pins: program.pins }),
    resources: [user, ...kept, ...program.resources, ...files, unitFile, running],
  };
}

function unitOf({ stack, name }: Workload): string {
  return serviceUnitOf(stack, name);
}

/** systemd shows secrets as credentials of the unit; passwords that are made on the host are read where they are. */
export function nativePlaces(workload: Workload): Places {
  return {
    pathOf: (secret) =>
      secret.kind === "made" ? secret.path : `/run/credentials/${unitOf(workload)}/${secret.name}`,
    databaseHost: "127.0.0.1",
  };
}

function resolveEnvironment(workload: Workload): FileResource {
  // Behind the proxy, so on loopback.
  const also: Record<string, string> = workload.kind === "web" ? { HOST: "127.0.0.1" } : {};
  const variables = fillVariables(workload, nativePlaces(workload), also);
  return file(
    environmentFileOf(workload.stack, workload.name),
    { secret: writeSystemdEnvironment(variables) },
    { mode: "0600" },
  );
}

function resolveSecrets({ stack, name: service, secretFiles }: Workload): Configuration["secrets"] {
  return secretFiles.flatMap((secret) => {
    if (secret.kind === "made") return [];
    const { name, value } = secret;
    const path = secretFileOf(stack, service, name);
    return [{ name, file: file(path, { secret: value }, { mode: "0600" }) }];
  });
}

function resolveHealth(workload: Workload): Pick<Configuration, "health"> {
  const { stack, name, health } = workload;
  if (health === undefined) return {};
  const text = renderNativeHealth(health, workload.kind === "web" ? workload.port : undefined);
  return { health: file(healthFileOf(stack, name), { text }, { mode: "0755" }) };
}

function renderUnit(
  { templates }: StackInputs,
  workload: Workload,
  program: Program,
  { environment, secrets, health }: Configuration,
): string {
  const { stack, name, resources, runs } = workload;
  const { memoryBytes, pids, cpus } = resources;
  const wants = ["network-online.target", ...(workload.database ? ["postgresql.service"] : [])];
  return renderTemplate(templates, "etc/systemd/system/native-service.service.ejs", {
    stack: systemdText(stack),
    service: systemdText(name),
    target: systemdNames(targetOf(stack)),
    user: systemdNames(workload.user),
    wants: wants.map((one) => systemdNames(one)),
    after: startAfterUnits(stack, workload.after).map((one) => systemdNames(one)),
    watchdogSeconds: watchdogOf(workload),
    health: health === undefined ? undefined : systemdPath(health.path),
    startSeconds: workload.graceSeconds + 30,
    environmentFile: systemdPath(environment.path),
    secrets: secrets.map((secret) => ({
      name: systemdNames(secret.name),
      path: systemdPath(secret.file.path),
    })),
    programDirectory:
      runs.source.kind === "download"
        ? systemdPath(`${programDirectoryOf(stack, name)}/current`)
        : undefined,
    execStart: program.words === undefined ? undefined : systemdExec(program.words),
    directory: systemdNames(`${stack}-${name}`),
    memoryBytes,
    pids,
    cpuPercent: cpus === undefined ? undefined : Math.round(cpus * 100),
    capabilities: needsLowPort(workload) ? systemdNames("CAP_NET_BIND_SERVICE") : undefined,
  });
}

function watchdogOf(workload: Workload): number | undefined {
  return workload.kind === "service" ? workload.watchdogSeconds : undefined;
}

function needsLowPort(workload: Workload): boolean {
  const ports = workload.ports.map((port) => port.inside);
  return [...ports, ...(workload.kind === "web" ? [workload.port] : [])].some(
    (port) => port < 1024,
  );
}

/** systemd makes these itself; named here so that `uninstall` finds them. */
function resolveKept({ stack, name }: Workload, user: Resource): Resource[] {
  const places = [
    ["/var/lib", "data"],
    ["/var/cache", "cache"],
  ] as const;
  return places.map(([parent, holds]) =>
    directory(`${parent}/${stack}-${name}`, {
      mode: "0700",
      owner: user.name,
      group: user.name,
      holds,
      deep: true,
      after: [idOf(user)],
    }),
  );
}

const firstSeconds = 2;
const moment = 0.25;

/** How it is seen that the unit has started well; after files that are only written again, a short look is enough. */
function watchStart(workload: Workload, { hint }: Program, files: readonly FileResource[]) {
  const name = unitOf(workload);
  // One that told systemd itself that it is ready (sd_notify) needs less watching.
  const seconds = watchdogOf(workload) === undefined ? firstSeconds : moment;
  return {
    check: checkNative(name, workload, seconds, hint),
    ...(workload.health !== undefined
      ? {
          bound: { seconds: workload.graceSeconds + 300, waitsFor: `${name} to become healthy` },
        }
      : {}),
    again: { files: files.map(idOf), check: checkNative(name, workload, moment, hint) },
  };
}
