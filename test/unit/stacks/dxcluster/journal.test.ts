import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal } from "../../../../templates/stacks/dxcluster/scraper/src/journal.ts";

const limit = 100 * 1024 * 1024;
let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "dx-journal-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

function lines(...texts: readonly string[]): { node: string; line: string; at: number }[] {
  return texts.map((line) => ({ node: "n:1", line, at: 1_000_000 }));
}

function drain(journal: Journal): string[] {
  return journal.next(1_000_000).records.map((record) => record.line);
}

describe("Journal", () => {
  it("hands out what was written, in order, with names that only grow", () => {
    const journal = new Journal(folder, limit);
    journal.append(lines("a", "b"));
    journal.append(lines("c"));
    const { records } = journal.next(10);
    expect(records.map((record) => record.line)).toEqual(["a", "b", "c"]);
    expect(records.map((record) => record.at)).toEqual([1_000_000, 1_000_001, 1_000_002]);
    journal.close();
  });

  it("hands out again what was not done after a kill, also when the last record is torn", () => {
    const first = new Journal(folder, limit);
    first.append(lines("a", "b", "c"));
    first.done(first.next(1).end);
    first.sync();
    // No close: the process was killed in the middle of a write.
    const name = fs.readdirSync(folder).find((file) => file.endsWith(".jsonl")) ?? "";
    fs.appendFileSync(path.join(folder, name), '{"at":9,"node":"n:1","li');
    const second = new Journal(folder, limit);
    second.append(lines("d"));
    expect(drain(second)).toEqual(["b", "c", "d"]);
    expect(second.counts().unreadable).toBe(1);
    second.close();
  });

  it("never reuses a name when the clock was set back between two runs", () => {
    const first = new Journal(folder, limit);
    first.append([{ node: "n:1", line: "a", at: 5_000_000 }]);
    first.done(first.next(1).end);
    first.close();
    const second = new Journal(folder, limit);
    second.append([{ node: "n:1", line: "b", at: 1_000_000 }]);
    expect(second.next(1).records[0]?.at).toBeGreaterThan(5_000_000);
    second.close();
  });

  it("refuses what does not fit, takes lines again when there is room, and counts", () => {
    const journal = new Journal(folder, 200);
    expect(journal.append(lines("a".repeat(100)))).toBe(1);
    expect(journal.append(lines("b".repeat(100)))).toBe(0);
    expect(journal.counts().refused).toBe(1);
    journal.done(journal.next(10).end);
    expect(journal.append(lines("c".repeat(100)))).toBe(1);
    expect(drain(journal)).toEqual(["c".repeat(100)]);
    journal.close();
  });

  it("deletes files whose records are done", () => {
    const journal = new Journal(folder, limit);
    const line = "x".repeat(1_000_000);
    for (let count = 0; count < 20; count++) journal.append(lines(line));
    expect(fs.readdirSync(folder).filter((file) => file.endsWith(".jsonl")).length).toBeGreaterThan(
      1,
    );
    journal.done(journal.next(20).end);
    expect(fs.readdirSync(folder).filter((file) => file.endsWith(".jsonl"))).toHaveLength(1);
    expect(journal.waiting()).toBe(0);
    journal.close();
  });

  it("loses nothing and keeps order whatever happens between writes", () => {
    type Act = { readonly act: "write" | "take" | "fail" | "restart"; readonly count: number };
    const acts = fc.array(
      fc.record<Act>({
        act: fc.constantFrom("write", "take", "fail", "restart"),
        count: fc.integer({ min: 1, max: 20 }),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(acts, (script) => {
        fs.rmSync(folder, { recursive: true, force: true });
        let journal = new Journal(folder, limit);
        let written = 0;
        const stored: number[] = [];
        const take = (most: number): void => {
          const batch = journal.next(most);
          // What the database does with a replayed record: nothing, it has that name already.
          for (const record of batch.records)
            if (Number(record.line) >= stored.length) stored.push(Number(record.line));
          journal.done(batch.end);
        };
        for (const { act, count } of script) {
          if (act === "write")
            journal.append(lines(...Array.from({ length: count }, () => String(written++))));
          else if (act === "take") take(count);
          else if (act === "fail") {
            journal.next(count);
            journal.rewind();
          } else journal = new Journal(folder, limit);
        }
        take(1_000_000);
        expect(stored).toEqual(Array.from({ length: written }, (_, index) => index));
      }),
      { numRuns: 100 },
    );
  });
});
