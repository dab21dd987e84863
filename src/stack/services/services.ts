import { resolveContainer } from "./container.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { emptySection } from "../inputs.ts";
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

/** One section of several. */
export function joinSections(sections: readonly Section[]): Section {
  if (sections.length === 0) return emptySection;
  return {
    packages: sections.flatMap((section) => section.packages),
    pins: Object.assign({}, ...sections.map((section) => section.pins ?? {})) as Record<
      string,
      string
    >,
    alternatives: Object.assign(
      {},
      ...sections.map((section) => section.alternatives ?? {}),
    ) as Record<string, readonly string[]>,
    resources: sections.flatMap((section) => section.resources),
    beforePackages: sections.flatMap((section) => section.beforePackages ?? []),
  };
}
