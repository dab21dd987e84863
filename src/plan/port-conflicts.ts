import { publishedFacts, publishedSubject } from "../facts/containers/docker.ts";
import type { PublishedFact } from "../facts/containers/docker.ts";
import { need } from "../facts/fact.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import { listenerFacts, listenersSubject } from "../facts/system/listeners.ts";
import type { Listener } from "../facts/system/listeners.ts";
import type { Manifest } from "../manifest/schema.ts";
import { containersOf, servicesOf } from "../manifest/services.ts";
import type { Owned, ResourceId } from "../resources/resource.ts";
import { serviceUnitOf } from "../stack/names.ts";

/** A port that the manifest needs and that something else has. */
export interface PortConflict {
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  /** Who in the manifest wants it: "proxy", or the name of a service. */
  readonly wantedBy: string;
  readonly heldBy: Listener | { readonly container: string };
}

type WantedPort = Omit<PortConflict, "heldBy">;

/** Asked before anything is touched, and by whoever only wants to know. */
export const portNeeds: readonly FactNeed[] = [
  need(listenerFacts, listenersSubject),
  need(publishedFacts, publishedSubject),
];

/** Docker's own programs hold ports for containers; whose, it says itself. */
const dockerPrograms: readonly string[] = ["docker-proxy", "dockerd"];

/**
 * Ports that the proxy and containers need and that another program or somebody else's container holds: no run could get them.
 * An address does not matter: both bind all of them, which a program on one (127.0.0.53%lo, too) does not allow. Native services
 * are left out: their programs' names are not known.
 * @param facts of `portNeeds`
 * @param owned what the state file lists
 */
export function findPortConflicts(
  manifest: Manifest,
  owned: ReadonlyMap<ResourceId, Owned>,
  facts: Facts,
): PortConflict[] {
  const listeners = facts.get(listenerFacts, listenersSubject) ?? [];
  const isOurs = ownContainers(manifest, owned);
  const foreign = (facts.get(publishedFacts, publishedSubject) ?? []).filter(
    ({ container }) => !isOurs(container),
  );
  return wantedPorts(manifest).flatMap((wanted): PortConflict[] => {
    const isSame = (one: Listener | PublishedFact): boolean =>
      one.port === wanted.port && one.protocol === wanted.protocol;
    const published = foreign.find(isSame);
    if (published !== undefined) return [{ ...wanted, heldBy: { container: published.container } }];
    const heldBy = listeners.find((listener) => isSame(listener) && !mayHold(wanted, listener));
    return heldBy === undefined ? [] : [{ ...wanted, heldBy }];
  });
}

function wantedPorts(manifest: Manifest): WantedPort[] {
  const proxy = (manifest.proxy?.sites.length ?? 0) > 0 ? [80, 443] : [];
  return [
    ...proxy.map((port): WantedPort => ({ port, protocol: "tcp", wantedBy: "proxy" })),
    ...containersOf(manifest).flatMap(({ name, ports }) =>
      ports.map(({ outside, protocol }): WantedPort => ({
        port: outside,
        protocol,
        wantedBy: name,
      })),
    ),
  ];
}

function mayHold({ wantedBy }: WantedPort, { program }: Listener): boolean {
  // Where root may not look into a process (an unprivileged container), what is ours has no name either.
  if (program === "") return true;
  return wantedBy === "proxy" ? program === "caddy" : dockerPrograms.includes(program);
}

/** Containers of this stack by their names; those of services that left the manifest count until they are taken away. */
function ownContainers(
  manifest: Manifest,
  owned: ReadonlyMap<ResourceId, Owned>,
): (container: string) => boolean {
  const names = new Set([
    ...servicesOf(manifest).map(({ name }) => name),
    ...[...owned.values()].filter(({ kind }) => kind === "release").map(({ name }) => name),
  ]);
  const bases = [...names].map((name) =>
    serviceUnitOf(manifest.stack, name).replace(/\.service$/, ""),
  );
  return (container) =>
    bases.some(
      (base) => container.startsWith(base) && /^(?:-[ab]\d*)?$/.test(container.slice(base.length)),
    );
}

/** "nginx (process 7)" */
export function describeHolder({ heldBy }: PortConflict): string {
  return "container" in heldBy
    ? `the container ${heldBy.container}`
    : `${heldBy.program} (process ${heldBy.pid})`;
}

/** What shows the holder on the host, and what is to be done with it. */
export function adviseHolder({ heldBy }: PortConflict): string {
  return "container" in heldBy
    ? `docker update --restart no ${heldBy.container} && docker stop ${heldBy.container}`
    : `systemctl status ${heldBy.pid}   then stop and disable what it shows`;
}
