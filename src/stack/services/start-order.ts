import type { ServiceBase } from "../../manifest/schema.ts";
import type { ResourceId } from "../../resources/resource.ts";
import { serviceUnitOf, webUnitOf } from "../names.ts";
import { unitId } from "../../resources/units/unit.ts";
import { releaseId } from "../../resources/containers/release.ts";

type Started = Pick<ServiceBase, "name" | "runtime">;

/** Units that what comes after these services starts after: of containers both slots, of which one runs. */
export function startAfterUnits(stack: string, services: readonly Started[]): string[] {
  return services.flatMap(({ name, runtime }) =>
    runtime === "native"
      ? [serviceUnitOf(stack, name)]
      : (["a", "b"] as const).map((slot) => webUnitOf(stack, name, slot, 1)),
  );
}

/** The resource after which a service runs. */
export function runningIdOf(stack: string, { name, runtime }: Started): ResourceId {
  return runtime === "native" ? unitId(serviceUnitOf(stack, name)) : releaseId(name);
}
