import type { Section, StackInputs } from "./inputs.ts";
import { emptySection } from "./inputs.ts";

/** The manifest's `services`: native programs and containers without a health-checked port. */
export function resolveServices(_inputs: StackInputs): Section {
  return emptySection;
}
