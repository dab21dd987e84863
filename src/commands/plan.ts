import type { Verb } from "./program.ts";
export const runPlan: Verb = async () => {
  throw new Error("not written yet");
};
