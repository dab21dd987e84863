import type { Verb } from "./program.ts";
export const runUninstall: Verb = async () => {
  throw new Error("not written yet");
};
