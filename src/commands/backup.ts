import type { Verb } from "./program.ts";
export const runBackup: Verb = async () => {
  throw new Error("not written yet");
};
export const runBackupList: Verb = async () => {
  throw new Error("not written yet");
};
