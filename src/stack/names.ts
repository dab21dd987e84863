// Names and places on the host, all derived from the manifest: nobody spells them out elsewhere.

import type { Manifest, ServiceBase } from "../manifest/schema.ts";
import type { SlotName } from "../facts/containers/releases.ts";

/** System user of a service. */
export function userOf(manifest: Manifest, service: Pick<ServiceBase, "name" | "user">): string {
  return service.user ?? `${manifest.stack}-${service.name}`;
}

/** The stack's systemd target: everything the stack runs hangs on it. */
export function targetOf(stack: string): string {
  return `${stack}.target`;
}

/** Unit of a native service. */
export function serviceUnitOf(stack: string, service: string): string {
  return `${stack}-${service}.service`;
}

/** Unit of one replica of a web service in one slot; the container has the same name without `.service`. */
export function webUnitOf(stack: string, service: string, slot: SlotName, replica: number): string {
  return `${stack}-${service}-${slot}${replica > 1 ? String(replica) : ""}.service`;
}

/** The stack's Docker network; web services find each other on it by name. */
export function networkOf(stack: string): string {
  return `hostkit-${stack}`;
}

/** Configuration of the stack on the host: env files, slots, keys. */
export function configDirectoryOf(stack: string): string {
  return `/etc/hostkit/${stack}`;
}

/** Folder of Docker's client with the stack's logins to registries: root's alone. */
export function registriesDirectoryOf(stack: string): string {
  return `${configDirectoryOf(stack)}/registries`;
}

/** What hostkit keeps of a stack on the host: state, stamps, runs. */
export function stackDirectoryOf(stack: string): string {
  return `/var/lib/hostkit/${stack}`;
}

/** Docker's name of a volume. */
export function volumeNameOf(stack: string, name: string): string {
  return `hostkit-${stack}-${name}`;
}

/** Where Docker keeps a volume's files. */
export function volumePath(stack: string, name: string): string {
  return `/var/lib/docker/volumes/${volumeNameOf(stack, name)}/_data`;
}
