import type { Verb } from "./program.ts";
export const runAttach: Verb = async () => {
  throw new Error("not written yet");
};
