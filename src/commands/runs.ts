import type { Verb } from "./program.ts";
export const runRuns: Verb = async () => {
  throw new Error("not written yet");
};
