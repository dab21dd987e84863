import { hashText } from "../../facts/files/hash.ts";
import type { Manifest, ServiceBase } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import { configDirectoryOf, webUnitOf } from "../names.ts";
import type { SlotName } from "../../facts/containers/releases.ts";

const firstPort = 20_000;
/** 16 ports a service, all below the kernel's range for outgoing connections (from 32768). */
const blocks = 750;

/** Environment file of a native service. */
export function environmentFileOf(stack: string, service: string): string {
  return `${configDirectoryOf(stack)}/${service}.env`;
}

/** Script that sees whether a native service is well. */
export function healthFileOf(stack: string, service: string): string {
  return `${configDirectoryOf(stack)}/health/${service}`;
}

/** Secret of a native service. */
export function secretFileOf(stack: string, service: string, name: string): string {
  return `${configDirectoryOf(stack)}/secrets/${service}/${name}`;
}

/** Where a native service's program is kept when it does not come from a package. */
export function programDirectoryOf(stack: string, service: string): string {
  return `/opt/hostkit/${stack}/${service}`;
}

/** Sends a service's requests to one of its slots, as a piece of Caddy configuration; the files beside it say to which. */
export function upstreamFileOf(stack: string, service: string): string {
  return `${configDirectoryOf(stack)}/upstreams/${service}.caddy`;
}

/** Container of one replica in one slot; its unit has the same name. */
export function containerOf(
  stack: string,
  service: string,
  slot: SlotName,
  replica: number,
): string {
  return webUnitOf(stack, service, slot, replica).replace(/\.service$/, "");
}

/** Script that runs one command as the release in this slot is. */
export function commandLauncherOf(stack: string, service: string, slot: SlotName): string {
  return `${configDirectoryOf(stack)}/containers/${stack}-${service}-${slot}.command`;
}

/**
 * First port of every container's block of sixteen on 127.0.0.1: slot a has the first eight, slot b the others.
 * Only names decide, so that adding a service rarely moves another.
 */
export function allocatePorts(manifest: Manifest): ReadonlyMap<string, number> {
  const taken = new Set<number>();
  const ports = new Map<string, number>();
  const fixed = new Set([
    ...manifest.web
      .filter((service) => service.runtime === "native")
      .map((service) => service.port),
    ...servicesOf(manifest).flatMap((service) => service.ports.map((port) => port.outside)),
  ]);
  for (const service of manifest.web) {
    if (service.runtime !== "container") continue;
    let block =
      Number.parseInt(hashText(`${manifest.stack}/${service.name}`).slice(0, 8), 16) % blocks;
    while (taken.has(block) || holdsFixed(block, fixed)) block = (block + 1) % blocks;
    taken.add(block);
    ports.set(service.name, firstPort + block * 16);
  }
  return ports;
}

function holdsFixed(block: number, fixed: ReadonlySet<number>): boolean {
  const start = firstPort + block * 16;
  return [...fixed].some((port) => port >= start && port < start + 16);
}

/** Port of one replica on 127.0.0.1. */
export function portOf(
  ports: ReadonlyMap<string, number>,
  service: Pick<ServiceBase, "name">,
  slot: SlotName,
  replica: number,
): number {
  return (ports.get(service.name) ?? firstPort) + (slot === "a" ? 0 : 8) + replica - 1;
}
