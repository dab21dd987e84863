import type { Verb } from "./program.ts";
export function controlWith(_verb: string): Verb {
  return async () => {
    throw new Error("not written yet");
  };
}
