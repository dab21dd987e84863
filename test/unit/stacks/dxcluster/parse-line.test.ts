import * as fs from "node:fs";
import * as path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ParsedLine,
  parseLine,
} from "../../../../templates/stacks/dxcluster/radio/parse-line.ts";
import { toRow } from "../../../../templates/stacks/dxcluster/scraper/src/rows.ts";

interface CaseFile {
  readonly about: string;
  readonly received: string;
  readonly cases: readonly {
    readonly line: string;
    readonly expect: Readonly<Record<string, unknown>>;
  }[];
}

const folder = path.join(import.meta.dirname, "../../../cases/stacks/dxcluster");

for (const name of fs.readdirSync(folder).filter((file) => file.startsWith("lines-"))) {
  const file = JSON.parse(fs.readFileSync(path.join(folder, name), "utf8")) as CaseFile;
  describe(`${name}: ${file.about}`, () => {
    it.each(file.cases)("$line", ({ line, expect: expected }) => {
      const parsed = JSON.parse(
        JSON.stringify(parseLine(line, Date.parse(file.received))),
      ) as object;
      expect(parsed).toMatchObject(expected);
    });
  });
}

const received = fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2090, 0) });
const kinds: readonly ParsedLine["kind"][] = [
  "spot",
  "wwv",
  "wcy",
  "announcement",
  "broken",
  "other",
];
const call = fc.stringMatching(/^[A-Z]{1,2}[0-9][A-Z]{1,3}$/);
const hostile = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc
    .tuple(
      fc.constantFrom("DX de ", "CC11^", "WWV de ", "WCY de ", "To ALL de ", "14025.0 "),
      fc.string({ unit: "binary", maxLength: 200 }),
    )
    .map((parts) => parts.join("")),
  fc
    .tuple(call, fc.double({ min: 0, max: 1e12 }), call, fc.string({ maxLength: 80 }))
    .map(([a, f, b, c]) => `DX de ${a}: ${f} ${b} ${c}`),
);

describe("any line", () => {
  it("gets exactly one kind and never throws", () => {
    fc.assert(
      fc.property(hostile, received, (line, at) => {
        expect(kinds).toContain(parseLine(line, at).kind);
      }),
      { numRuns: 2000 },
    );
  });

  it("makes a row that keeps it, holds nothing PostgreSQL refuses, and lies near its arrival", () => {
    fc.assert(
      fc.property(hostile, received, (line, at) => {
        const row = toRow({ at: at * 1000 + 123, node: "n:1", line });
        expect(row.received).toBe(`${new Date(at).toISOString().slice(0, -1)}123Z`);
        for (const value of Object.values(row)) expect(String(value)).not.toMatch(/\0|\p{Cs}/u);
        expect(row.raw_text.length).toBe(line.length);
        if (row.frequency !== undefined) {
          expect(row.frequency).toBeGreaterThan(0);
          expect(row.frequency).toBeLessThan(1e10);
        }
        if (row.kind === "spot" && /^\s*dx de/i.test(line)) {
          const ahead = Date.parse(row.heard ?? "") - at;
          expect(ahead).toBeLessThanOrEqual(3_600_000);
          expect(ahead).toBeGreaterThan(-23 * 3_600_000 - 60_000);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a spot that is printed", () => {
  it("is read back whole", () => {
    fc.assert(
      fc.property(
        call,
        fc.integer({ min: 18000, max: 4400000 }),
        call,
        received,
        (spotter, tenths, dx, at) => {
          const frequency = tenths / 10;
          const clock = new Date(at).toISOString().slice(11, 16).replace(":", "");
          const parsed = parseLine(
            `DX de ${`${spotter}:`.padEnd(10)}${frequency.toFixed(1).padStart(8)}  ${dx.padEnd(13)}${"tnx".padEnd(31)}${clock}Z`,
            at,
          );
          expect(parsed).toMatchObject({
            kind: "spot",
            spotterCall: spotter,
            dxCall: dx,
            frequency,
            comment: "tnx",
          });
          if (parsed.kind === "spot")
            expect(parsed.time.getTime()).toBe(Math.floor(at / 60_000) * 60_000);
        },
      ),
    );
  });
});
