import { expect, it } from "vitest";
import { parseLine } from "../../../../templates/stacks/dxcluster/radio/parse-line.ts";
import { LineFramer } from "../../../../templates/stacks/dxcluster/scraper/src/line-framer.ts";
import { toRow } from "../../../../templates/stacks/dxcluster/scraper/src/rows.ts";
import { troubles } from "../../../harness/troubled-lines.ts";

it.each(troubles)("%s makes one row that keeps it", (_what, sent, kind, text, length) => {
  const { lines } = new LineFramer().push(Buffer.concat([sent, Buffer.from("\r\n")]));
  expect(lines).toHaveLength(1);
  const [line = { text: "", cut: false }] = lines;
  // What is neither over-long nor anything is a banner or a prompt, and not kept.
  expect(line.cut || parseLine(line.text, 0).kind !== "other").toBe(true);
  const row = toRow({ at: Date.UTC(2026, 10, 21) * 1000, node: "n:1", line: line.text });
  expect(row.kind).toBe(kind);
  expect(row.raw_text.slice(0, text.length)).toBe(text);
  // As PostgreSQL counts.
  expect([...row.raw_text]).toHaveLength(length);
});
