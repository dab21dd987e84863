import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Journal } from "../../../../templates/stacks/dxcluster/scraper/src/journal.ts";
import {
  type RowStore,
  Writer,
} from "../../../../templates/stacks/dxcluster/scraper/src/writer.ts";

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "dx-writer-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A table that refuses rows holding "poison" and is away as long as it is told. */
class Table implements RowStore {
  readonly lines: string[] = [];
  away = 0;

  async store(
    rows: Parameters<RowStore["store"]>[0],
  ): Promise<{ lines: number; spots: number; solar: number; recovered: number }> {
    if (this.away-- > 0)
      throw Object.assign(new Error("the database system is starting up"), { code: "57P03" });
    if (rows.some((row) => row.raw_text.includes("poison")))
      throw Object.assign(new Error("bad"), { code: "22P05" });
    this.lines.push(...rows.map((row) => row.raw_text));
    return { lines: rows.length, spots: 0, solar: 0, recovered: 0 };
  }
  async maintain(): Promise<void> {}
  async close(): Promise<void> {}
}

describe("Writer", () => {
  it("leaves out only the record the database refuses, keeps order, and waits while the database is away", async () => {
    const journal = new Journal(folder, 1e8);
    const table = new Table();
    table.away = 1;
    const rejected: string[] = [];
    const failures: unknown[] = [];
    const writer = new Writer(journal, table, {
      stored: () => undefined,
      failed: (error) => failures.push(error),
      rejected: (record) => rejected.push(record.line),
    });
    const texts = Array.from({ length: 50 }, (_, index) =>
      index === 17 || index === 33 ? `poison ${index}` : `line ${index}`,
    );
    journal.append(texts.map((line) => ({ node: "n:1", line, at: 1 })));
    const running = writer.run();
    await vi.waitFor(() => {
      expect(journal.waiting()).toBe(0);
    }, 10_000);
    writer.stop();
    await running;
    expect(failures).toHaveLength(1);
    expect(rejected).toEqual(["poison 17", "poison 33"]);
    expect(table.lines).toEqual(texts.filter((line) => !line.startsWith("poison")));
    journal.close();
  });
});
