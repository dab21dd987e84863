import { hashText } from "../../facts/files/hash.ts";
import type { Volume } from "../../manifest/schema.ts";
import { containersOf, findService } from "../../manifest/services.ts";
import { image } from "../../resources/containers/image.ts";
import type { ImageResource } from "../../resources/containers/image.ts";
import { exchangeFolderOf, listOthers } from "../../resources/containers/exchange.ts";
import type { ReleaseResource, SlotPlan } from "../../resources/containers/slots.ts";
import { volume } from "../../resources/containers/volume.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource } from "../../resources/resource.ts";
import { caddyToken } from "../../writers/caddyfile.ts";
import { databaseAfter } from "../database/database-access.ts";
import { bridgeIdOf } from "../database/database-tcp.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { stackDirectoryOf, userOf, volumeNameOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import { resolveBases } from "./base-images.ts";
import { engineIds, resolveEngine } from "./engine.ts";
import { resolveRegistry } from "./registries.ts";
import { upstreamFileOf } from "./service-places.ts";
import { resolveUser } from "./service-user.ts";
import { planSlot } from "./slot.ts";
import type { OpenPlan } from "./slot.ts";
import { runningIdOf } from "./start-order.ts";
import type { ImageOrigin, Workload } from "./workload.ts";

/** A workload in containers: Docker, its user, image and volumes, and its release. */
export function resolveContainer(
  inputs: StackInputs,
  workload: Workload,
  runs: ImageOrigin,
): Section {
  const { manifest } = inputs;
  const { stack, name } = workload;
  const engine = resolveEngine(inputs);
  const user = resolveUser(manifest, workload.user);
  const registries = resolveRegistry(inputs, runs.source);
  const { source } = findService(manifest, name) ?? {};
  const bases =
    source?.kind === "build" ? resolveBases(inputs, { source }) : { all: [], direct: [] };
  const made = image(`${stack}-${name}`, runs.reference, runs.source, [
    ...engineIds(manifest),
    ...[...registries, ...bases.direct].map(idOf),
  ]);
  const volumes = workload.mounts.flatMap((one) => resolveVolume(inputs, workload, one));
  const release = resolveRelease(inputs, workload, made);
  const after = [
    ...engineIds(manifest),
    ...[user, made, ...volumes].map(idOf),
    ...databaseAfter(manifest, workload),
    // By TCP the way to the database is a unit of its own.
    ...(workload.database !== undefined && workload.database.socket === undefined
      ? [bridgeIdOf(stack)]
      : []),
    ...workload.after.map((one) => runningIdOf(stack, one)),
  ];
  return {
    ...engine,
    resources: [
      ...engine.resources,
      user,
      ...registries,
      ...bases.all,
      made,
      ...volumes,
      { ...release, after: [...new Set(after)] } satisfies ReleaseResource,
    ],
  };
}

/** A volume that several services share belongs to the first one (by name) that writes to it, else that has it. */
function resolveVolume({ manifest }: StackInputs, workload: Workload, one: Volume): Resource[] {
  if (one.kind !== "named") return [];
  const sharing = containersOf(manifest)
    .flatMap((service) =>
      service.volumes.flatMap((each) =>
        each.kind === "named" && each.name === one.name
          ? [{ service, writes: !each.readOnly }]
          : [],
      ),
    )
    .toSorted((a, b) => (a.service.name < b.service.name ? -1 : 1));
  const owner = (sharing.find(({ writes }) => writes) ?? sharing[0])?.service;
  const user = resolveUser(manifest, owner === undefined ? workload.user : userOf(manifest, owner));
  return [
    user,
    volume(volumeNameOf(manifest.stack, one.name), user.name, [...engineIds(manifest), idOf(user)]),
  ];
}

function resolveRelease(
  inputs: StackInputs,
  workload: Workload,
  made: ImageResource,
): ReleaseResource {
  const { stack, name } = workload;
  const a = planSlot(inputs, workload, made.reference, "a");
  const b = planSlot(inputs, workload, made.reference, "b");
  const release = hashRelease(a);
  const finish = (plan: OpenPlan): SlotPlan => ({
    ...plan,
    upstream: renderUpstream(inputs, plan.addresses, {
      slot: plan.slot,
      release,
      image: made.reference,
    }),
  });
  return {
    kind: "release",
    name,
    stack,
    service: name,
    stackDirectory: stackDirectoryOf(stack),
    upstreamPath: upstreamFileOf(stack, name),
    slots: { a: finish(a), b: finish(b) },
    release,
    image: made.reference,
    graceSeconds: workload.graceSeconds,
    exclusive: workload.isExclusive,
    watchSeconds: workload.watchSeconds,
    drainSeconds: workload.drainSeconds,
    ...resolveExchange(inputs, workload, a, b),
    ...(workload.given === undefined ? {} : { given: workload.given }),
    ...(workload.isStoppedForHooks && workload.hooks.pre_deploy !== undefined
      ? { stopsForHook: true as const }
      : {}),
    binds: workload.mounts.flatMap((one) => (one.kind === "bind" ? [one.source] : [])),
    ...seamOf(workload),
    ...(made.source.kind === "pull"
      ? {}
      : { imageRepository: made.reference.replace(/:[^:]*$/, "") }),
  };
}

function renderUpstream(
  { templates }: StackInputs,
  addresses: readonly string[],
  said: { readonly slot: string; readonly release: string; readonly image: string },
): string {
  return renderTemplate(templates, "etc/caddy/upstream.caddy.ejs", {
    slot: caddyToken(said.slot),
    release: caddyToken(said.release),
    image: caddyToken(said.image),
    addresses: addresses.map((address) => caddyToken(address)),
  });
}

/** Several replicas, of which no two versions may run at once. */
function resolveExchange(
  inputs: StackInputs,
  { stack, name, isExclusive }: Workload,
  a: OpenPlan,
  b: OpenPlan,
): Pick<ReleaseResource, "exchange"> {
  if (!isExclusive || a.units.length < 2) return {};
  const addresses = { a: a.addresses, b: b.addresses };
  const folder = exchangeFolderOf(stack);
  const states = a.addresses.map((_, index) => {
    const others = listOthers(addresses, index + 1);
    return {
      matcher: caddyToken(`@hostkit_exchange_${index + 1}`),
      mark: caddyToken(`${name}.${index + 1}`),
      addresses: others.map((address) => caddyToken(address)),
    };
  });
  const routing = renderTemplate(inputs.templates, "etc/caddy/exchange.caddy.ejs", {
    folder: caddyToken(folder),
    states,
  });
  return { exchange: { marks: `${folder}/${name}`, routing, addresses } };
}

/** Of slot a, whichever is active: the version is the same in both. */
function hashRelease({ files, hooks = [] }: OpenPlan): string {
  const texts = [
    ...files.map(({ path, content }) => [path, "text" in content ? content.text : ""]),
    ...hooks.map(({ name, command }) => [name, ...command]),
  ];
  return hashText(JSON.stringify(texts)).slice(0, 12);
}

function seamOf({ user, database }: Workload): Pick<ReleaseResource, "seam"> {
  if (database?.socket === undefined) return {};
  const { name, role, port } = database;
  return { seam: { user, database: name, role, ...(port === undefined ? {} : { port }) } };
}
