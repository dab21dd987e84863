import type { Facts } from "../../facts/fact.ts";
import { listenerFacts, listenersSubject } from "../../facts/system/listeners.ts";
import type { Listener } from "../../facts/system/listeners.ts";
import type { Manifest } from "../../manifest/schema.ts";

export interface PortConflict {
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  /** Who in the manifest wants it: "proxy", or the name of a service. */
  readonly wantedBy: string;
  readonly heldBy: Listener;
}

/** Programs that hold a port on behalf of hostkit itself. */
const ownPrograms: Readonly<Record<"proxy" | "container", readonly string[]>> = {
  proxy: ["caddy"],
  container: ["docker-proxy"],
};

/**
 * Ports the manifest needs that another program holds: asked before a provision touches anything.
 * Needs `need(listenerFacts, listenersSubject)`. Native services are left out: their program's name is not known.
 */
export function findPortConflicts(manifest: Manifest, facts: Facts): PortConflict[] {
  const listeners = facts.get(listenerFacts, listenersSubject) ?? [];
  const wanted = [
    ...((manifest.proxy?.sites.length ?? 0) > 0
      ? [80, 443].map((port) => ({
          port,
          protocol: "tcp" as const,
          wantedBy: "proxy",
          own: ownPrograms.proxy,
        }))
      : []),
    ...[...manifest.services, ...manifest.web]
      .filter((service) => service.runtime === "container")
      .flatMap((service) =>
        service.ports.map(({ outside, protocol }) => ({
          port: outside,
          protocol,
          wantedBy: service.name,
          own: ownPrograms.container,
        })),
      ),
  ];
  return wanted.flatMap(({ port, protocol, wantedBy, own }) => {
    const heldBy = listeners.find(
      (listener) =>
        listener.port === port &&
        listener.protocol === protocol &&
        !isLoopback(listener.address) &&
        !own.includes(listener.program),
    );
    return heldBy === undefined ? [] : [{ port, protocol, wantedBy, heldBy }];
  });
}

/** Caddy binds every address, so a program on loopback alone is in its way too; only interface-bound resolvers are not. */
function isLoopback(address: string): boolean {
  return address.includes("%lo");
}
