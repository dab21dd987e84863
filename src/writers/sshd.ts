import { UnwritableError, written } from "./written.ts";
import type { Written } from "./written.ts";

/** A list of algorithms for sshd_config(5): names separated by commas, without blanks and quotes. */
export function sshdAlgorithms(names: readonly string[]): Written<"sshd"> {
  const wrong = names.find((name) => !/^[A-Za-z0-9@.-]+$/.test(name));
  if (wrong !== undefined) throw new UnwritableError(`${JSON.stringify(wrong)} is no algorithm`);
  return written("sshd", names.join(","));
}
