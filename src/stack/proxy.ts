import type { Section, StackInputs } from "./inputs.ts";
import { emptySection } from "./inputs.ts";

/** The manifest's `proxy`: Caddy in front of the web services. */
export function resolveProxy(_inputs: StackInputs): Section {
  return emptySection;
}
