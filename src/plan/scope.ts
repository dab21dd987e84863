import { servicesOf, unknownService } from "../manifest/services.ts";
import type { Facts } from "../facts/fact.ts";
import { textFacts } from "../facts/files/file.ts";
import type { Manifest } from "../manifest/schema.ts";
import { suggest } from "../manifest/suggest.ts";
import { idOf } from "../resources/resource.ts";
import type { Change, Resource, ResourceId } from "../resources/resource.ts";
import { allows } from "../stack/host/firewall.ts";
import { proxyRunningId } from "../stack/proxy.ts";
import { runningIdOf } from "../stack/services/start-order.ts";

/** What a plan may touch of all that is wanted. */
export interface Scope {
  /** As it is asked for: "--only api". */
  readonly label: string;
  /** Those whose part in what several share is meant too. */
  readonly services: readonly string[];
  /** By what is meant, what has to be there in the end. */
  readonly roots: ReadonlyMap<string, ResourceId>;
  /** The same of what is not meant. */
  readonly others: readonly ResourceId[];
}

/** A scope on one host. */
export interface ResolvedScope {
  /** Each with all that it needs. */
  readonly ids: ReadonlySet<ResourceId>;
  /** Of those that others need too, or have a part in: why they are among them. */
  readonly reasons: ReadonlyMap<ResourceId, string>;
  /** In which the scope has a part, but which need what is outside and not there yet. */
  readonly left: readonly LeftOut[];
}

export interface LeftOut {
  readonly id: ResourceId;
  readonly because: string;
}

/**
 * The scope of some services.
 * @param words names, several with commas between them
 * @throws HostkitError usage for a name that the manifest does not have
 */
export function scopeOfServices(manifest: Manifest, words: readonly string[]): Scope {
  const all = servicesOf(manifest);
  const known = all.map(({ name }) => name);
  const names = new Set(words.flatMap((word) => word.split(",")).map((name) => name.trim()));
  for (const name of names) {
    if (known.includes(name)) continue;
    const next = "hostkit plan   without --only shows all that would change";
    throw unknownService(name, known, next, suggest(name, known));
  }
  const meant = all.filter(({ name }) => names.has(name));
  return {
    label: `--only ${meant.map(({ name }) => name).join(",")}`,
    services: meant.map(({ name }) => name),
    roots: new Map(meant.map((service) => [service.name, runningIdOf(manifest.stack, service)])),
    others: all
      .filter(({ name }) => !names.has(name))
      .map((service) => runningIdOf(manifest.stack, service)),
  };
}

/**
 * What of a manifest a part of a plan answers for: its services, the sites that send requests to them, the ports of both.
 * @param left shared things that the part does not reach
 */
export function narrowManifest(
  manifest: Manifest,
  { services, left }: { readonly services: readonly string[]; readonly left: readonly LeftOut[] },
): Manifest {
  const isMeant = ({ name }: { readonly name: string }): boolean => services.includes(name);
  const meant = servicesOf(manifest).filter(isMeant);
  const { proxy, firewall } = manifest;
  const isProxyLeft = left.some(({ id }) => id === proxyRunningId);
  const sites = isProxyLeft
    ? []
    : (proxy?.sites ?? []).filter(({ routes }) => routes.some(({ to }) => services.includes(to)));
  const ports = [
    ...meant.flatMap((service) => service.ports),
    ...(sites.length === 0
      ? []
      : [80, 443].map((outside) => ({ outside, protocol: "tcp" as const }))),
  ];
  return {
    ...manifest,
    services: manifest.services.filter(isMeant),
    web: manifest.web.filter(isMeant),
    ...(proxy === undefined ? {} : { proxy: { ...proxy, sites } }),
    ...(firewall === undefined
      ? {}
      : {
          firewall: {
            ...firewall,
            allow: firewall.allow.filter((rule) => ports.some((port) => allows(rule, port))),
          },
        }),
  };
}

/** What is asked for with all that it needs, and who needs it. */
function findNeeds(
  scope: Scope,
  graph: ReturnType<typeof makeGraph>,
): ReadonlyMap<ResourceId, readonly string[]> {
  const neededBy = new Map<ResourceId, string[]>();
  for (const [name, root] of scope.roots) {
    for (const id of graph.close([root])) neededBy.set(id, [...(neededBy.get(id) ?? []), name]);
  }
  return neededBy;
}

/**
 * What a plan of this scope may touch: what is asked for, all that it needs, and what is shared where it lacks its part.
 * @param changes of a plan without a scope
 */
export function resolveScope(
  scope: Scope,
  resources: readonly Resource[],
  facts: Facts,
  changes: readonly Change[],
): ResolvedScope {
  const graph = makeGraph(resources, changes);
  const neededBy = findNeeds(scope, graph);
  const ids = new Set(neededBy.keys());
  const left: LeftOut[] = [];
  const parts = new Map<ResourceId, string>();
  for (const resource of resources) {
    const id = idOf(resource);
    const served = findLacking(scope, resource, facts);
    if (served.length === 0 || ids.has(id)) continue;
    const whole = graph.close([id]);
    const missing = [...whole]
      .flatMap((one) => graph.missingFor(one))
      .filter((one) => !ids.has(one));
    if (missing.length > 0) {
      left.push({ id, because: `${missing.join(", ")} is to be there first, and is outside` });
      continue;
    }
    for (const one of whole) {
      if (!ids.has(one)) parts.set(one, `${served.join(", ")} has a part in it`);
      ids.add(one);
    }
  }
  const outside = resources.map(idOf).filter((id) => !ids.has(id));
  const shared = graph.close([...scope.others, ...outside]);
  const needed = [...neededBy]
    .filter(([id]) => shared.has(id))
    .map(([id, names]) => [id, `needed by ${names.join(", ")}`] as const);
  return { ids, reasons: new Map([...needed, ...parts]), left };
}

/** The services of a scope whose part a host's file does not hold. */
function findLacking(scope: Scope, { serves = [] }: Resource, facts: Facts): string[] {
  const lacking = serves.filter(
    ({ service, path, text }) =>
      scope.services.includes(service) && facts.get(textFacts, path)?.includes(text) !== true,
  );
  return [...new Set(lacking.map(({ service }) => service))];
}

interface Graph {
  /** These and all that they need, in a plan from here on. */
  close(roots: readonly ResourceId[]): ReadonlySet<ResourceId>;
  /** What it joins and is not there yet. */
  missingFor(id: ResourceId): readonly ResourceId[];
}

function makeGraph(resources: readonly Resource[], changes: readonly Change[]): Graph {
  const byId = new Map(resources.map((resource) => [idOf(resource), resource]));
  const isNew = new Set(changes.flatMap(({ id, action }) => (action === "create" ? [id] : [])));
  return {
    close(roots) {
      const seen = new Set<ResourceId>();
      const waiting = [...roots];
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
        const resource = byId.get(id);
        if (resource === undefined || seen.has(id)) continue;
        seen.add(id);
        const loose = new Set([...(resource.behind ?? []), ...(resource.joins ?? [])]);
        waiting.push(...(resource.after ?? []).filter((before) => !loose.has(before)));
      }
      return seen;
    },
    missingFor: (id) => (byId.get(id)?.joins ?? []).filter((one) => isNew.has(one)),
  };
}
