import { activeNeeds, readActive } from "../../facts/containers/traffic.ts";
import type { FactNeed, Facts } from "../../facts/fact.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { containersOf, findService } from "../../manifest/services.ts";
import { serviceUnitOf, webUnitOf } from "../names.ts";
import { upstreamFileOf } from "./service-places.ts";

/** The facts that `unitsOfService` reads. */
export function activeUnitNeeds(manifest: Manifest): FactNeed[] {
  return containersOf(manifest).flatMap((service) =>
    activeNeeds(upstreamFileOf(manifest.stack, service.name)),
  );
}

/**
 * The units that a service runs in now: one, or one a replica in the active slot.
 * Empty for a container that was never released, and for a name the manifest does not know.
 */
export function unitsOfService(manifest: Manifest, name: string, facts: Facts): string[] {
  const service = findService(manifest, name);
  if (service === undefined) return [];
  if (service.runtime === "native") return [serviceUnitOf(manifest.stack, name)];
  const active = readActive(facts, upstreamFileOf(manifest.stack, name));
  if (active === undefined) return [];
  const replicas = service.section === "web" ? service.replicas : 1;
  return Array.from({ length: replicas }, (_, index) =>
    webUnitOf(manifest.stack, name, active.slot, index + 1),
  );
}
