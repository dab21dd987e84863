import { emptySection } from "./inputs.ts";
import type { Section, StackInputs } from "./inputs.ts";

/** The `backups` section: pgBackRest for PostgreSQL, restic for files and volumes, timers, the first backup. */
export function resolveBackups(_inputs: StackInputs): Section {
  return emptySection;
}
