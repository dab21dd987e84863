import type { Section, StackInputs } from "./inputs.ts";
import { emptySection } from "./inputs.ts";

/** The manifest's `web` services. */
export function resolveWeb(_inputs: StackInputs): Section {
  return emptySection;
}
