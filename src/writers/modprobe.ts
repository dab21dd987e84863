import { UnwritableError, written } from "./written.ts";
import type { Written } from "./written.ts";

/** Name of a kernel module in modprobe.d(5). */
export function moduleName(name: string): Written<"modprobe"> {
  if (!/^[A-Za-z0-9_-]+$/.test(name)) throw new UnwritableError("it is no name of a kernel module");
  return written("modprobe", name);
}
