import { hashText } from "../../facts/files/hash.ts";
import type { Service, Volume, WebService } from "../../manifest/schema.ts";
import { containersOf } from "../../manifest/services.ts";
import { stackDirectoryOf } from "../names.ts";
import { image } from "../../resources/containers/image.ts";
import type { ImageResource } from "../../resources/containers/image.ts";
import type { SlotName } from "../../facts/containers/releases.ts";
import type { ReleaseResource, SlotFile, SlotPlan } from "../../resources/containers/slots.ts";
import { idOf } from "../../resources/resource.ts";
import type { Blob, Resource } from "../../resources/resource.ts";
import { volume } from "../../resources/containers/volume.ts";
import { databaseAfter, databaseMounts } from "../database/database-access.ts";
import { databasePortOf } from "../database/database-place.ts";
import { engineIds, resolveEngine } from "./engine.ts";
import { writeDockerEnvironment } from "../../writers/environment.ts";
import { collectEnvironment } from "./env-text.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { renderLauncher, watchdogSecondsOf } from "./launcher.ts";
import { configDirectoryOf, networkOf, targetOf, userOf, webUnitOf } from "../names.ts";
import { resolveUser, secretValueOf } from "./native-service.ts";
import { renderTemplate } from "../render-template.ts";
import { systemdNames, systemdPath, systemdText } from "../../writers/systemd.ts";
import {
  allocatePorts,
  containerOf,
  mostReplicas,
  portOf,
  upstreamFileOf,
} from "./service-places.ts";
import { startAfterIds, startAfterUnits } from "./start-order.ts";
import { caddyToken } from "../../writers/caddyfile.ts";

/** A service in a container: Docker, its user, image and volumes, and its release. */
export function resolveContainer(inputs: StackInputs, service: Service | WebService): Section {
  const { manifest } = inputs;
  const engine = resolveEngine(inputs);
  const user = resolveUser(manifest, service);
  const made = resolveImage(inputs, service);
  const volumes = service.volumes.flatMap((one) => resolveVolume(inputs, service, one));
  const release = resolveRelease(inputs, service, made);
  const after = [
    ...engineIds(manifest),
    ...[user, made, ...volumes].map(idOf),
    ...databaseAfter(manifest, service),
    ...startAfterIds(manifest, service),
  ];
  return {
    ...engine,
    resources: [
      ...engine.resources,
      user,
      made,
      ...volumes,
      { ...release, after: [...new Set(after)] } satisfies ReleaseResource,
    ],
  };
}

/** Our tags name the content: the same context and arguments give the same tag, on every host. */
function resolveImage(inputs: StackInputs, service: Service | WebService): ImageResource {
  const { manifest, blobs } = inputs;
  const { source } = service;
  const name = `${manifest.stack}-${service.name}`;
  const after = engineIds(manifest);
  const tag = (text: string): string => `hostkit/${name}:${hashText(text).slice(0, 16)}`;
  if (source.kind === "build") {
    const context = requireBlob(blobs, source.context);
    const { dockerfile, args, target } = source;
    return image(
      name,
      tag(JSON.stringify([context.sha256, dockerfile, args, target ?? ""])),
      { kind: "build", context, dockerfile, args, ...(target === undefined ? {} : { target }) },
      after,
    );
  }
  if (source.kind === "image-archive") {
    const archive = requireBlob(blobs, source.path);
    return image(name, tag(archive.sha256), { kind: "archive", archive }, after);
  }
  if (source.kind === "image") return image(name, source.reference, { kind: "pull" }, after);
  throw new TypeError(`${service.name} is no container`);
}

function requireBlob(blobs: ReadonlyMap<string, Blob>, path: string): Blob {
  const blob = blobs.get(path);
  if (blob === undefined) throw new TypeError(`no blob for ${path}`);
  return blob;
}

/** Docker's name of a volume. */
export function volumeNameOf(stack: string, name: string): string {
  return `hostkit-${stack}-${name}`;
}

/** A volume that several services share belongs to the first one (by name) that writes to it, else that has it. */
function resolveVolume(
  inputs: StackInputs,
  service: Service | WebService,
  one: Volume,
): Resource[] {
  const { manifest } = inputs;
  if (one.kind !== "named") return [];
  const sharing = containersOf(manifest)
    .flatMap((other) =>
      other.volumes.flatMap((each) =>
        each.kind === "named" && each.name === one.name
          ? [{ container: other, writes: !each.readOnly }]
          : [],
      ),
    )
    .toSorted((a, b) => (a.container.name < b.container.name ? -1 : 1));
  const owner = (sharing.find(({ writes }) => writes) ?? sharing[0])?.container ?? service;
  const user = resolveUser(manifest, owner);
  return [
    user,
    volume(volumeNameOf(manifest.stack, one.name), user.name, [...engineIds(manifest), idOf(user)]),
  ];
}

function resolveRelease(
  inputs: StackInputs,
  service: Service | WebService,
  made: ImageResource,
): ReleaseResource {
  const { manifest } = inputs;
  const isWeb = "port" in service;
  const plans = {
    a: planSlot(inputs, service, made, "a"),
    b: planSlot(inputs, service, made, "b"),
  };
  // Of slot a, whichever is active: the version is the same in both.
  const release = hashText(
    JSON.stringify(
      plans.a.files.map(({ path, content }) => [path, "text" in content ? content.text : ""]),
    ),
  ).slice(0, 12);
  const access = service.database;
  const finish = (plan: (typeof plans)["a"]): SlotPlan => ({
    ...plan,
    upstream: renderTemplate(inputs.templates, "etc/caddy/upstream.caddy.ejs", {
      slot: caddyToken(plan.slot),
      release: caddyToken(release),
      image: caddyToken(made.reference),
      addresses: plan.addresses.map((address) => caddyToken(address)),
    }),
  });
  return {
    kind: "release",
    name: service.name,
    stack: manifest.stack,
    service: service.name,
    stackDirectory: stackDirectoryOf(manifest.stack),
    upstreamPath: upstreamFileOf(manifest.stack, service.name),
    slots: { a: finish(plans.a), b: finish(plans.b) },
    release,
    image: made.reference,
    graceSeconds: isWeb ? service.health.graceSeconds : 60,
    exclusive: service.stateful || !isWeb || service.ports.length > 0,
    binds: service.volumes.flatMap((one) => (one.kind === "bind" ? [one.source] : [])),
    ...(access === undefined || access.tcp
      ? {}
      : {
          seam: {
            user: userOf(manifest, service),
            database: access.name,
            role: access.role,
            ...(databasePortOf(manifest, inputs.system) === "5432"
              ? {}
              : { port: databasePortOf(manifest, inputs.system) }),
          },
        }),
    ...(made.source.kind === "pull"
      ? {}
      : { imageRepository: made.reference.replace(/:[^:]*$/, "") }),
  };
}

/** RFC 1918: Docker takes its networks from these. */
const privateSubnets = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

interface OpenPlan extends Omit<SlotPlan, "upstream"> {
  readonly addresses: readonly string[];
}

function planSlot(
  inputs: StackInputs,
  service: Service | WebService,
  made: ImageResource,
  slot: SlotName,
): OpenPlan {
  const { manifest } = inputs;
  const { stack } = manifest;
  const isWeb = "port" in service;
  const user = userOf(manifest, service);
  const folder = configDirectoryOf(stack);
  const prefix = `${stack}-${service.name}-${slot}`;
  const ports = allocatePorts(manifest);
  const replicas = Array.from(
    { length: Math.min(isWeb ? service.replicas : 1, mostReplicas) },
    (_, index) => index + 1,
  );
  const file = (path: string, content: SlotFile["content"], mode: string, owner = "root") => ({
    ...{ path, content, mode, owner },
    group: owner,
  });
  const variables = writeDockerEnvironment(
    collectEnvironment(inputs, service, {
      ...(isWeb ? { PORT: String(service.port) } : {}),
      ...Object.fromEntries(
        service.secrets.map((secret) => [`${secret}_FILE`, `/run/secrets/${secret}`]),
      ),
    }),
  );
  const environment = file(
    `${folder}/containers/${prefix}.env`,
    { secret: variables.file },
    "0600",
  );
  const exports =
    variables.exported.length === 0
      ? []
      : [file(`${folder}/containers/${prefix}.exports`, { secret: variables.exports }, "0600")];
  const secrets = service.secrets.map((name) => ({
    name,
    file: file(
      `${folder}/secrets/${service.name}-${slot}/${name}`,
      { secret: secretValueOf(inputs, name) },
      "0400",
      user,
    ),
  }));
  const launchers = replicas.map((replica) => {
    const container = containerOf(stack, service.name, slot, replica);
    const path = `${folder}/containers/${container}.sh`;
    const launcher = renderLauncher({
      container,
      image: made.reference,
      command: service.command ?? [],
      user,
      hostname: service.name,
      network: networkOf(stack),
      alias: service.name,
      environmentFile: environment.path,
      exported: exports.map(({ path: from }) => ({ from, names: variables.exported })),
      secrets: [
        ...secrets.map((secret) => ({ name: secret.name, path: secret.file.path })),
        ...databaseMounts(manifest, service),
      ],
      mounts: service.volumes.map((one) => ({
        ...one,
        from: one.kind === "named" ? volumeNameOf(stack, one.name) : one.source,
      })),
      hasDatabaseSocket: service.database?.tcp === false,
      addHosts: [],
      ports: service.ports,
      resources: service.resources,
      ...(isWeb
        ? {
            check: {
              port: portOf(ports, service, slot, replica),
              inside: service.port,
              health: service.health,
            },
          }
        : {}),
    });
    const unitText = renderTemplate(inputs.templates, "etc/systemd/system/container.service.ejs", {
      stack: systemdText(stack),
      service: systemdText(service.name),
      slot: systemdText(slot),
      replica,
      target: systemdNames(targetOf(stack)),
      container: systemdNames(container),
      launcher: systemdPath(path),
      wants: ["docker.service", ...(service.database ? ["postgresql.service"] : [])].map((one) =>
        systemdNames(one),
      ),
      after: startAfterUnits(manifest, service).map((one) => systemdNames(one)),
      // Only where Docker's proxy cannot be asked: see the launcher.
      subnets:
        isWeb && service.health.path === undefined
          ? privateSubnets.map((one) => systemdNames(one))
          : [],
      startSeconds: (isWeb ? service.health.graceSeconds : 60) + 30,
      watchdogSeconds: watchdogSecondsOf(isWeb ? service.health : undefined),
    });
    return [
      file(path, { text: launcher }, "0755"),
      file(
        `/etc/systemd/system/${webUnitOf(stack, service.name, slot, replica)}`,
        { text: unitText },
        "0644",
      ),
    ];
  });
  return {
    slot,
    files: [environment, ...exports, ...secrets.map((secret) => secret.file), ...launchers.flat()],
    units: replicas.map((replica) => webUnitOf(stack, service.name, slot, replica)),
    possibleUnits: Array.from({ length: mostReplicas }, (_, index) =>
      webUnitOf(stack, service.name, slot, index + 1),
    ),
    addresses: isWeb
      ? replicas.map((replica) => `127.0.0.1:${portOf(ports, service, slot, replica)}`)
      : [],
  };
}
