import type { Verb } from "./program.ts";
export const runProvision: Verb = async () => {
  throw new Error("not written yet");
};
