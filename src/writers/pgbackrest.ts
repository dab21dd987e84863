import { refuseControl, UnwritableError, written } from "./written.ts";
import type { Written } from "./written.ts";

/**
 * pgbackrest.conf: `option=value` to the end of the line, blanks at the ends dropped, no quotes and no escapes.
 * @throws UnwritableError
 */
export function pgbackrestValue(value: string): Written<"pgbackrest"> {
  refuseControl(value);
  if (value === "") throw new UnwritableError("pgBackRest takes no empty value");
  if (value !== value.trim()) throw new UnwritableError("pgBackRest drops blanks at its ends");
  return written("pgbackrest", value);
}

/** A path: beside that, pgBackRest takes no two slashes in a row and none at the end. */
export function pgbackrestPath(path: string): Written<"pgbackrest"> {
  if (path.includes("//"))
    throw new UnwritableError("pgBackRest takes no path with two slashes in a row");
  return pgbackrestValue(path);
}

/** Name of a section or an option. */
export function pgbackrestName(name: string): Written<"pgbackrest"> {
  if (!/^[a-z0-9][a-z0-9-]*$/i.test(name))
    throw new UnwritableError("it is no name in pgbackrest.conf");
  return written("pgbackrest", name);
}
