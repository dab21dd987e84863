import { refuseControl, UnwritableError, written } from "./written.ts";
import type { Written } from "./written.ts";

/**
 * A string of apt.conf(5), in double quotes. apt reads `%` and two hexadecimal digits as that byte, which no manual tells
 * (`ParseQuoteWord` in its strutl.cc; found by scripts/writers).
 * @throws UnwritableError for a control character
 */
export function aptString(value: string): Written<"apt"> {
  refuseControl(value);
  return written("apt", `"${value.replaceAll("%", "%25").replaceAll('"', "%22")}"`);
}

/** One word in a comment. */
export function aptWord(value: string): Written<"apt"> {
  if (!/^[A-Za-z0-9_-]+$/.test(value)) throw new UnwritableError("it is no plain word");
  return written("apt", value);
}
