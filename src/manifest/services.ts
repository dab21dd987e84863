import type { AnyService, Manifest } from "./manifest.ts";

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
export function containersOf(manifest: Manifest): readonly AnyService[] {
  return servicesOf(manifest).filter(({ runtime }) => runtime === "container");
}
