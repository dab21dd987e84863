import fc from "fast-check";
import { loadModule, parseSync } from "libpg-query";
import { beforeAll, describe, expect, test } from "vitest";
import { splitStatements } from "../../../../src/facts/postgres/sql-statements.ts";

interface Parsed {
  readonly stmts?: readonly { readonly stmt_location?: number; readonly stmt_len?: number }[];
}

/** Where PostgreSQL's own parser ends the statements of a text; undefined where it cannot read it. */
function endsForServer(text: string): number[] | undefined {
  let parsed: Parsed;
  try {
    parsed = parseSync(text) as Parsed;
  } catch {
    return undefined;
  }
  const bytes = Buffer.from(text);
  return (parsed.stmts ?? []).map(({ stmt_location: from = 0, stmt_len: length = 0 }) => {
    const end = bytes.subarray(0, from + length).toString().length;
    return length === 0 || end === text.length - 1 ? text.length : end;
  });
}

function endsHere(text: string): number[] {
  let at = 0;
  return splitStatements(text).statements.map((one) => {
    at = text.indexOf(one.text, at) + one.text.length;
    return at === text.length ? at : at - 1;
  });
}

const hostile = fc
  .array(
    fc.constantFrom(
      ...[
        "'",
        "''",
        "\\",
        "\\'",
        ";",
        "--",
        "/*",
        "*/",
        "$",
        "$$",
        "$a$",
        '"',
        "\n",
        "a",
        "ä",
        "1",
      ],
      ...[" ", ":", "(", ")", "e'", "begin", "commit", "end", "case "],
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(""));

/** Things with a value, most of them well-formed, with hostile text inside. */
const value = fc.oneof(
  hostile.map((text) => `'${text.replaceAll("'", "''")}'`),
  hostile.map((text) => `'${text}'`),
  hostile.map((text) => `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`),
  hostile.map((text) => `e'${text}'`),
  hostile.map((text) => `E'a'\n'${text}'`),
  hostile.map((text) => `$x$${text}$x$`),
  hostile.map((text) => `$$${text}$$`),
  hostile.map((text) => `1 as "${text.replaceAll('"', '""')}b"`),
  hostile.map((text) => `(select ${text})`),
  fc.constantFrom(
    "1",
    "$1",
    "x$y$",
    "a.b",
    "now()",
    "u&'\\0041'",
    "n'x'",
    "case when true then 1 end",
  ),
);
const gap = fc.oneof(
  fc.constantFrom(" ", "\n", "\t"),
  hostile.map((text) => ` --${text}\n`),
  hostile.map((text) => ` /*${text}*/ `),
);
const statement = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(fc.tuple(gap, value, gap), { minLength: 1, maxLength: 3 })
      .map((list) => `select ${list.map((parts) => parts.join("")).join(",")}`),
  },
  {
    weight: 1,
    arbitrary: value.map(
      (one) =>
        `create function f() returns int language sql begin atomic select ${one}; select case when true then 1 end; end`,
    ),
  },
  {
    weight: 1,
    arbitrary: value.map(
      (one) => `create rule r as on insert to t do also (select ${one}; select 2)`,
    ),
  },
  { weight: 1, arbitrary: hostile.map((text) => `do $x$ ${text} $x$`) },
  { weight: 1, arbitrary: fc.constantFrom("", "begin", "commit", "vacuum") },
);
const script = fc
  .array(fc.tuple(gap, statement, gap), { minLength: 1, maxLength: 4 })
  .map((list) => list.map((parts) => parts.join("")).join(";"));

beforeAll(() => loadModule());

describe("splitStatements", () => {
  test("cuts as PostgreSQL's own parser does, and finds no fault in what that can read", () => {
    let seen = 0;
    fc.assert(
      fc.property(script, (sql) => {
        const expected = endsForServer(sql);
        if (expected === undefined) return;
        seen += expected.length > 1 ? 1 : 0;
        expect(splitStatements(sql).faults).toEqual([]);
        expect(endsHere(sql)).toEqual(expected);
      }),
      { numRuns: 3000 },
    );
    expect(seen).toBeGreaterThan(300);
  });

  test("nothing is left out, and lines are those of the text", () => {
    fc.assert(
      fc.property(script, (sql) => {
        let at = 0;
        for (const { text, begin } of splitStatements(sql).statements) {
          at = sql.indexOf(text, at);
          expect(at).toBeGreaterThanOrEqual(0);
          expect(begin).toBe(sql.slice(0, at).split("\n").length);
          at += text.length;
        }
      }),
    );
  });

  test("a long text is read once, and its lines are counted once", () => {
    const rows = Array.from({ length: 40_000 }, (_, index) => `(${index}, 'row ${index}', null)`);
    const sql = `insert into t values ${rows.join(",\n")};\n`.repeat(3);
    expect(splitStatements(sql).statements.map(({ line }) => line)).toEqual([1, 40_001, 80_001]);
  });
});
