import type { Verb } from "./program.ts";
export const runLogs: Verb = async () => {
  throw new Error("not written yet");
};
