import { resolveContainer } from "./container.ts";
import { joinSections } from "../inputs.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { resolveNative } from "./native-service.ts";

/** The manifest's `web`: containers in two slots, and native programs that are restarted in place. */
export function resolveWeb(inputs: StackInputs): Section {
  return joinSections(
    inputs.manifest.web.map((service) => {
      if (service.runtime === "container") return resolveContainer(inputs, service);
      const section = resolveNative(inputs, service);
      return { ...section, packages: [...section.packages, "curl"] };
    }),
  );
}
