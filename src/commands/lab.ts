import type { Verb } from "./program.ts";
export const runLabUp: Verb = async () => {
  throw new Error("not written yet");
};
export const runLabDown: Verb = async () => {
  throw new Error("not written yet");
};
export const runLabList: Verb = async () => {
  throw new Error("not written yet");
};
export const runLabSsh: Verb = async () => {
  throw new Error("not written yet");
};
