// Words for sh (dash), which a program prints.
import { execFileSync } from "node:child_process";
import { chunks, compare, isText, sample, text } from "./values.mjs";

export const packages = [];
export const needsHost = false;
export const most = 100_000;

export async function run({ count, seed }) {
  const { quoteWord } = await import("../../dist/shell/quote.js");
  const values = sample(text(), count, seed).filter(isText);
  const failures = [];
  for (const batch of chunks(values, 5000)) {
    const script = `printf '%s\\0' ${batch.map(quoteWord).join(" ")}\n`;
    const out = execFileSync("sh", { input: script, maxBuffer: 1 << 26 });
    failures.push(...compare(batch, out.toString().split("\0").slice(0, -1)));
  }
  return { tried: count, refused: count - values.length, failures };
}
