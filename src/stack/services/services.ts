import { resolveContainer } from "./container.ts";
import { joinSections } from "../inputs.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { resolveNative } from "./native-service.ts";

/** The manifest's `services`: native programs, and containers that nothing is asked of but to live. */
export function resolveServices(inputs: StackInputs): Section {
  return joinSections(
    inputs.manifest.services.map((service) =>
      service.runtime === "native"
        ? resolveNative(inputs, service)
        : resolveContainer(inputs, service),
    ),
  );
}
