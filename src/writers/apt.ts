import { refuseControl, UnwritableError, written } from "./written.ts";
import type { Written } from "./written.ts";

/**
 * A string of apt.conf(5): in double quotes, without escapes.
 * @throws UnwritableError for a quote, which nothing can write
 */
export function aptString(value: string): Written<"apt"> {
  refuseControl(value);
  if (value.includes('"')) throw new UnwritableError("apt.conf has no way to write a quote");
  return written("apt", `"${value}"`);
}

/** One word in a comment. */
export function aptWord(value: string): Written<"apt"> {
  if (!/^[A-Za-z0-9_-]+$/.test(value)) throw new UnwritableError("it is no plain word");
  return written("apt", value);
}
