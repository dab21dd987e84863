import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quoteIdentifier, quoteLiteral } from "../../../../src/facts/postgres/sql.ts";

/** Reads one quoted thing the way PostgreSQL does; undefined when it does not end where the text ends. */
function readQuoted(text: string, quote: string, escapes: boolean): string | undefined {
  if (!text.startsWith(quote)) return undefined;
  let value = "";
  for (let at = 1; at < text.length; at += 1) {
    const character = text[at] as string;
    if (escapes && character === "\\") {
      at += 1;
      value += text[at] ?? "";
    } else if (character !== quote) value += character;
    else if (text[at + 1] === quote) {
      at += 1;
      value += quote;
    } else return at === text.length - 1 ? value : undefined;
  }
  return undefined;
}

const hostile = fc.string({
  unit: fc.constantFrom("'", '"', "\\", ";", "-", "\n", "$", "a", "ä", " "),
});

describe("SQL quoting", () => {
  test("no name breaks out of its quotes", () => {
    fc.assert(
      fc.property(hostile, (name) => {
        expect(readQuoted(quoteIdentifier(name), '"', false)).toBe(name);
      }),
    );
  });

  test("no value breaks out of its quotes, whatever standard_conforming_strings says", () => {
    fc.assert(
      fc.property(hostile, (value) => {
        const quoted = quoteLiteral(value);
        const isEscaped = quoted.startsWith(" E");
        expect(isEscaped).toBe(value.includes("\\"));
        expect(readQuoted(isEscaped ? quoted.slice(2) : quoted, "'", isEscaped)).toBe(value);
      }),
    );
  });

  test("a NUL byte is refused", () => {
    expect(() => quoteLiteral("a\0")).toThrow(RangeError);
    expect(() => quoteIdentifier("\0")).toThrow(RangeError);
  });
});
