import { describe, expect, test } from "vitest";
import { createRedactor } from "../../../src/report/redact.ts";

describe("redactor", () => {
  const cases: readonly (readonly [string | Uint8Array, string, string])[] = [
    ["correct horse battery", "key: correct horse battery.", "key: [secret]."],
    // A short one stands alone, or is no secret but a part of a word.
    ["info", "level=info, information", "level=[secret], information"],
    ["hunter2", "postgres://u:hunter2@h/d", "postgres://u:[secret]@h/d"],
    ["abc", "abc", "abc"],
    ["a(b$c*", "x a(b$c* y", "x [secret] y"],
    ["two\nlines-with-enough-letters", "lines-with-enough-letters", "[secret]"],
    ['with "quotes" inside', String.raw`"with \"quotes\" inside"`, '"[secret]"'],
    [Uint8Array.of(0xff, 0xfe, 0x80, 0x41, 0x42), "is \uFFFD\uFFFD\uFFFDAB", "is [secret]"],
    [Uint8Array.of(0xff, 0xfe, 0x80, 0x41), "hex fffe8041", "hex [secret]"],
    [Uint8Array.of(0xff, 0xfe, 0x80, 0x41), "base64 //6AQQ==", "base64 [secret]"],
  ];
  test.each(cases)("%j in %j", (secret, text, shown) => {
    const redactor = createRedactor();
    redactor.add(secret);
    expect(redactor.hide(text)).toBe(shown);
  });

  test("what stands in the manifest for everybody to read is no secret", () => {
    const redactor = createRedactor();
    redactor.spare(new Set(["production"]));
    redactor.add("production");
    redactor.add("production-token");
    expect(redactor.hide("NODE_ENV: production, production-token")).toBe(
      "NODE_ENV: production, [secret]",
    );
  });
});
