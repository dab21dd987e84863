import { emptySection } from "./inputs.ts";
import type { Section, StackInputs } from "./inputs.ts";

/** Skeleton; being written. */
export function resolveFirewall(_inputs: StackInputs): Section {
  return emptySection;
}
