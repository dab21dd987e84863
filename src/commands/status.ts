import type { Verb } from "./program.ts";
export const runStatus: Verb = async () => {
  throw new Error("not written yet");
};
