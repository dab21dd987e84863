import { HostkitError } from "../errors.ts";
import type { AnyService, Manifest } from "./manifest.ts";

/** Most replicas of a web service: as many ports as a slot has. */
export const mostReplicas = 8;

/** The sections whose entries are what a stack runs. */
export const serviceSections = ["services", "web"] as const;

/** All that a stack runs: services, then web services, each by name. */
export function servicesOf(manifest: Pick<Manifest, "services" | "web">): readonly AnyService[] {
  return [...manifest.services, ...manifest.web];
}

/** A service or web service by name. */
export function findService(manifest: Manifest, name: string): AnyService | undefined {
  return servicesOf(manifest).find((service) => service.name === name);
}

/** Services and web services that run in containers. */
export function containersOf(manifest: Pick<Manifest, "services" | "web">): readonly AnyService[] {
  return servicesOf(manifest).filter(({ runtime }) => runtime === "container");
}

/**
 * The error for a name that somebody wrote and nothing has.
 * @param known what there is
 * @param next what shows more of it
 * @param meant what comes close to the name
 */
export function unknownService(
  name: string,
  known: readonly string[],
  next: string,
  meant?: string,
): HostkitError {
  const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
  return new HostkitError("usage", {
    what: `the stack has no service ${JSON.stringify(name)}${hint}`,
    why: `it has: ${known.join(", ") || "none at all"}`,
    next,
  });
}

/** @throws HostkitError usage for the first of these names that no service has */
export function assertServices(manifest: Manifest, names: readonly string[]): void {
  const known = servicesOf(manifest).map(({ name }) => name);
  const stranger = names.find((name) => !known.includes(name));
  if (stranger !== undefined) throw unknownService(stranger, known, "hostkit check");
}
