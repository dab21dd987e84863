import { HostkitError } from "../../errors.ts";
import { hashText } from "../../facts/files/hash.ts";
import type { Manifest, Service, ServiceBase, WebService } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import { stackDirectoryOf } from "../names.ts";
import { directory } from "../../resources/files/directory.ts";
import type { DebResource } from "../../resources/packages/deb.ts";
import { download } from "../../resources/files/download.ts";
import { file } from "../../resources/files/file.ts";
import type { PackagedProgramResource } from "../../resources/packages/packaged-program.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { unit } from "../../resources/units/unit.ts";
import { systemUser } from "../../resources/system/user.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { databaseAfter } from "../database/database-access.ts";
import { collectEnvironment } from "./env-text.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { packagesId } from "../inputs.ts";
import { serviceUnitOf, targetOf, userOf } from "../names.ts";
import { askedAs } from "./launcher.ts";
import { renderTemplate } from "../render-template.ts";
import { systemdExec, systemdNames, systemdPath, systemdText } from "../../writers/systemd.ts";
import { writeSystemdEnvironment } from "../../writers/environment.ts";
import { environmentFileOf, programDirectoryOf, secretFileOf } from "./service-places.ts";
import { startAfterIds, startAfterUnits } from "./start-order.ts";

/**
 * The system user of a service; one that the manifest names and that exists already stays as it is. Services may share one: it is
 * then the same resource, whichever of them it is asked for.
 */
export function resolveUser(manifest: Manifest, service: ServiceBase): Resource {
  const name = userOf(manifest, service);
  const sharing = servicesOf(manifest).filter((other) => userOf(manifest, other) === name);
  const services = sharing.map((other) => other.name).sort();
  return systemUser(name, {
    comment: `hostkit ${manifest.stack} ${services.join(" ")}`,
    ...(sharing.every((other) => other.user === undefined) ? {} : { keepExisting: true }),
  });
}

/** Value of a secret. @throws HostkitError where nobody brought it */
export function secretValueOf(inputs: StackInputs, name: string): string | Uint8Array {
  const value = inputs.secrets.get(name);
  if (value !== undefined) return value;
  throw new HostkitError("file_missing", {
    what: `the secret ${name} has no value`,
    next: `set the environment variable ${name}, or write it to .hostkit/secrets beside the manifest`,
  });
}

/** A program under systemd: its user, program, configuration, secrets and unit. */
export function resolveNative(inputs: StackInputs, service: Service | WebService): Section {
  const { manifest, templates } = inputs;
  const { stack } = manifest;
  const name = serviceUnitOf(stack, service.name);
  const user = resolveUser(manifest, service);
  const program = resolveProgram(inputs, service);
  const port = "port" in service ? service.port : undefined;
  const environment = file(
    environmentFileOf(stack, service.name),
    {
      secret: writeSystemdEnvironment(
        collectEnvironment(inputs, service, {
          ...(port === undefined ? {} : { HOST: "127.0.0.1", PORT: String(port) }),
          ...Object.fromEntries(
            service.secrets.map((secret) => [
              `${secret}_FILE`,
              `/run/credentials/${name}/${secret}`,
            ]),
          ),
        }),
      ),
    },
    { mode: "0600" },
  );
  const secrets = service.secrets.map((secret) =>
    file(
      secretFileOf(stack, service.name, secret),
      { secret: secretValueOf(inputs, secret) },
      { mode: "0600" },
    ),
  );
  const text = renderTemplate(templates, "etc/systemd/system/native-service.service.ejs", {
    stack: systemdText(stack),
    service: systemdText(service.name),
    target: systemdNames(targetOf(stack)),
    user: systemdNames(user.name),
    wants: ["network-online.target", ...(service.database ? ["postgresql.service"] : [])].map(
      (one) => systemdNames(one),
    ),
    after: startAfterUnits(manifest, service).map((one) => systemdNames(one)),
    watchdogSeconds: "watchdogSeconds" in service ? service.watchdogSeconds : undefined,
    environmentFile: systemdPath(environment.path),
    secrets: secrets.map(({ path }, index) => ({
      name: systemdNames(service.secrets[index] ?? ""),
      path: systemdPath(path),
    })),
    programDirectory:
      service.source.kind === "download"
        ? systemdPath(`${programDirectoryOf(stack, service.name)}/current`)
        : undefined,
    execStart: program.words === undefined ? undefined : systemdExec(program.words),
    directory: systemdNames(`${stack}-${service.name}`),
    memoryBytes: service.resources.memoryBytes,
    pids: service.resources.pids,
    cpuPercent:
      service.resources.cpus === undefined ? undefined : Math.round(service.resources.cpus * 100),
    capabilities: needsLowPort(service) ? systemdNames("CAP_NET_BIND_SERVICE") : undefined,
  });
  const unitFile = file(`/etc/systemd/system/${name}`, text);
  // systemd makes these itself; named here so that `uninstall` finds them.
  const kept = (
    [
      ["/var/lib", "data"],
      ["/var/cache", "cache"],
    ] as const
  ).map(([parent, holds]) =>
    directory(`${parent}/${stack}-${service.name}`, {
      mode: "0700",
      owner: user.name,
      group: user.name,
      holds,
      deep: true,
      after: [idOf(user)],
    }),
  );
  const watches = [environment, ...secrets, unitFile, ...program.resources].map(idOf);
  const tellsReady = "watchdogSeconds" in service && service.watchdogSeconds !== undefined;
  const check = (seconds: number): Script =>
    joinLogs(
      name,
      port === undefined
        ? stayCheck(name, seconds)
        : healthCheck(port, "health" in service ? service.health : undefined),
      program.hint,
    );
  const running = unit(name, stackDirectoryOf(stack), {
    watches,
    inputs: hashText(text + program.version),
    check: check(tellsReady ? moment : firstSeconds),
    ...("health" in service
      ? {
          bound: {
            seconds: service.health.graceSeconds + 300,
            waitsFor: `${name} to become healthy`,
          },
        }
      : {}),
    again: { files: [environment, ...secrets].map(idOf), check: check(moment) },
    after: [
      idOf(user),
      ...kept.map(idOf),
      packagesId,
      ...databaseAfter(manifest, service),
      ...startAfterIds(manifest, service),
    ],
  });
  return {
    packages: program.packages,
    ...(program.pins === undefined ? {} : { pins: program.pins }),
    resources: [user, ...kept, ...program.resources, environment, ...secrets, unitFile, running],
  };
}

function needsLowPort(service: Service | WebService): boolean {
  const ports = [
    ...("port" in service ? [service.port] : []),
    ...service.ports.map((port) => port.inside),
  ];
  return ports.some((port) => port < 1024);
}

interface Program {
  /** Nothing where a package says it, in a drop-in. */
  readonly words?: readonly string[];
  /** For whoever finds that it does not run. */
  readonly hint?: string;
  /** Changes with the program itself, so that it is restarted. */
  readonly version: string;
  readonly packages: readonly string[];
  readonly pins?: Readonly<Record<string, string>>;
  readonly resources: readonly Resource[];
}

/** Where the program comes from, and the words that start it. */
function resolveProgram(inputs: StackInputs, service: ServiceBase): Program {
  const { manifest, blobs } = inputs;
  const { source, command } = service;
  const directory = programDirectoryOf(manifest.stack, service.name);
  const name = `${manifest.stack}-${service.name}`;
  const stackDirectory = stackDirectoryOf(manifest.stack);
  const unitName = serviceUnitOf(manifest.stack, service.name);
  const words = command ?? [];
  const fromPackage = {
    name,
    stackDirectory,
    // Who logs in to a database, or has a user by the manifest, is not who the package thinks.
    adopts:
      command !== undefined
        ? "nothing"
        : service.database === undefined && service.user === undefined
          ? "unit"
          : "command",
    environmentFile: environmentFileOf(manifest.stack, service.name),
  } as const;
  const dropIn = `/etc/systemd/system/${unitName}.d/10-package.conf`;
  const said =
    command === undefined
      ? {
          hint: `the package says what to start, in ${dropIn}; exec in the manifest would say it instead`,
        }
      : { words };
  const after: ResourceId[] = [packagesId];
  switch (source.kind) {
    case "package": {
      const deb = blobs.get(source.path);
      if (deb === undefined) throw new TypeError(`no blob for ${source.path}`);
      const resource: DebResource = {
        kind: "deb",
        ...fromPackage,
        deb,
        program: dropIn,
        after,
      };
      return { ...said, version: deb.sha256, packages: [], resources: [resource] };
    }
    case "apt": {
      const resource: PackagedProgramResource = {
        kind: "packaged-program",
        ...fromPackage,
        package: source.name,
        path: dropIn,
        after,
      };
      return {
        ...said,
        version: source.version ?? "",
        packages: [source.name],
        ...(source.version === undefined ? {} : { pins: { [source.name]: source.version } }),
        resources: [resource],
      };
    }
    case "download": {
      const [first = "", ...rest] = words;
      // "./serve" and "bin/serve" are inside what was downloaded; "serve" may be there or on the host (ExecSearchPath=).
      const isInside = !first.startsWith("/") && first.includes("/");
      return {
        words: [isInside ? `${directory}/current/${first.replace(/^\.\//, "")}` : first, ...rest],
        version: source.sha256,
        packages: ["curl", "ca-certificates", "xz-utils", "unzip"],
        resources: [download(name, source, directory, after)],
      };
    }
    default:
      return { words, version: "", packages: [], resources: [] };
  }
}

/**
 * A program that ends in its first seconds is not running, whatever systemd said about its start; one that told systemd itself
 * that it is ready (sd_notify) needs less watching.
 */
function stayCheck(name: string, seconds: number): Script {
  return sh`sleep ${seconds}
case $(systemctl show -p ActiveState -p NRestarts ${name} | sort) in
  ${"ActiveState=active\nNRestarts=0"}) ;;
  *) false ;;
esac`;
}

const firstSeconds = 2;
const moment = 0.25;

/** Waits until the port answers on this host. */
function healthCheck(port: number, health: WebService["health"] | undefined): Script {
  const grace = health?.graceSeconds ?? 60;
  const ask =
    health?.path === undefined
      ? sh`timeout 5 bash -c ${'</dev/tcp/127.0.0.1/"$1"'} bash ${port} 2>/dev/null`
      : sh`curl -fsS -o /dev/null --globoff --noproxy ${"*"} --max-time ${health.timeoutSeconds} ${askedAs(health)} ${`http://127.0.0.1:${port}${health.path}`}`;
  return sh`deadline=$(($(date +%s) + ${grace}))
until ${ask}; do
  [ "$(date +%s)" -lt "$deadline" ] || { echo ${`not healthy after ${grace} s`} >&2; false; return; }
  sleep 0.3
done`;
}

function joinLogs(name: string, check: Script, hint: string | undefined): Script {
  return sh`began=$(date +%s)
check() {
${check}
}
if ! check; then
  echo ${`${name} does not stay up; its last lines:`} >&2
  journalctl -u ${name} --since "@$((began - 5))" -n 20 --no-pager -o cat >&2 || true
  ${hint === undefined ? sh`:` : sh`echo ${hint} >&2`}
  exit 1
fi`;
}
