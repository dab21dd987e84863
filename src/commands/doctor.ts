import type { Verb } from "./program.ts";
export const runDoctor: Verb = async () => {
  throw new Error("not written yet");
};
