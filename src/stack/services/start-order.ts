import type { Manifest, ServiceBase } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import type { ResourceId } from "../../resources/resource.ts";
import { serviceUnitOf, webUnitOf } from "../names.ts";
import { unitId } from "../../resources/units/unit.ts";
import { releaseId } from "../../resources/containers/release.ts";

/** Units that a service starts after: of containers both slots, of which one runs. */
export function startAfterUnits(manifest: Manifest, service: ServiceBase): string[] {
  return findOthers(manifest, service).flatMap((other) =>
    other.runtime === "native"
      ? [serviceUnitOf(manifest.stack, other.name)]
      : (["a", "b"] as const).map((slot) => webUnitOf(manifest.stack, other.name, slot, 1)),
  );
}

/** Resources that have to be in place before a service is. */
export function startAfterIds(manifest: Manifest, service: ServiceBase): ResourceId[] {
  return findOthers(manifest, service).map((other) => runningIdOf(manifest, other));
}

/** The resource after which a service runs. */
export function runningIdOf(manifest: Manifest, service: ServiceBase): ResourceId {
  return service.runtime === "native"
    ? unitId(serviceUnitOf(manifest.stack, service.name))
    : releaseId(service.name);
}

function findOthers(manifest: Manifest, service: ServiceBase): ServiceBase[] {
  return servicesOf(manifest).filter((other) => service.after.includes(other.name));
}
