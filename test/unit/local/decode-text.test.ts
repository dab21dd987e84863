import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeText } from "../../../src/local/decode-text.ts";

describe("decodeText", () => {
  const cases: readonly (readonly [string, Uint8Array, number, string])[] = [
    [
      "Latin-1",
      Buffer.from("a\nb\nSch\xf6n ist es hier", "latin1"),
      3,
      "byte 8 is f6; it looks like Latin-1",
    ],
    [
      "Windows-1252",
      Buffer.from("it costs 5 \x80 here", "latin1"),
      1,
      "byte 12 is 80; it looks like Windows-1252",
    ],
    [
      "UTF-16, little endian",
      Buffer.from("\uFEFFselect 1;", "utf16le"),
      1,
      "UTF-16 (little endian)",
    ],
    ["UTF-16 without a mark", Buffer.from("select 1;", "utf16le"), 1, "UTF-16 (little endian)"],
    ["UTF-16, big endian", Buffer.from("select 1;", "utf16le").swap16(), 1, "UTF-16 (big endian)"],
    ["NUL", Buffer.from("a\nb\0"), 2, "not text: byte 4 is 00 (NUL)"],
    ["no text at all", Uint8Array.of(0xff, 0xfe, 0x80), 1, "byte 1 is ff"],
    ["DER", Uint8Array.of(0x30, 0x82, 0x01, 0x0a), 1, "DER, PEM is wanted"],
    ["cut short", Buffer.from("€").subarray(0, 2), 1, "byte 1 is e2"],
  ];
  test.each(cases)("%s", (_name, bytes, line, why) => {
    expect(decodeText(bytes)).toMatchObject({
      line,
      why: expect.stringContaining(why) as string,
    });
  });

  test("what is text comes out as it is, its mark too", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        // Half a pair of surrogates has no bytes.
        fc.pre(!/\p{Surrogate}/u.test(text) && !text.includes("\0"));
        const bytes = Buffer.from(text);
        const isWide = "why" in decodeText(bytes);
        expect(isWide || decodeText(bytes)).toEqual(isWide ? true : { text });
      }),
    );
  });

  test("where bytes are wrong is found, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        const decoded = decodeText(bytes);
        if ("text" in decoded) expect(Buffer.from(decoded.text)).toEqual(Buffer.from(bytes));
        else expect(decoded.line).toBeGreaterThan(0);
      }),
    );
  });
});
