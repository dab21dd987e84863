import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeColors } from "../../../src/report/colors.ts";
import { fitForTerminal, plainText, widthOf } from "../../../src/report/terminal-text.ts";

const colors = makeColors({ isTTY: true }, { TERM: "xterm" });

/** What a terminal obeys, or what shows text as another than it is. */
const steering =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

test.each([
  ["a title", "\u001b]0;owned\u0007Debian", "Debian"],
  ["a title that ends with ST", "\u001b]2;owned\u001b\\Debian", "Debian"],
  ["a clipboard", "\u001b]52;c;cm0gLXJmIC8=\u0007x", "x"],
  ["a link", "\u001b]8;;http://evil\u001b\\text\u001b]8;;\u001b\\", "text"],
  ["a cleared screen", "\u001b[2J\u001b[Hgone", "gone"],
  ["the alternate screen", "\u001b[?1049hx", "x"],
  ["a colour that is not ours", "\u001b[31mred\u001b[0m", "red"],
  ["hidden text", "\u001b[8mhidden\u001b[28m", "hidden"],
  ["a device string", "\u001bP1$r0m\u001b\\x", "x"],
  ["a question to the terminal", "\u001b[6n\u001bZ\u001b[cx", "x"],
  ["a reset", "\u001bcx", "x"],
  ["a sequence that is cut off", "x\u001b[31", "x"],
  ["a lone escape", "x\u001b", "x"],
  ["a line that is written over", "good\rbad", "goodbad"],
  ["a backspace", "good\b\b\b\bevil", "goodevil"],
  ["a bell", "x\u0007\u0007", "x"],
  ["CSI of one byte", "x\u009b2Jy", "x\\u009b2Jy"],
  ["turned text", "access\u202enimda", "access\\u202enimda"],
  ["a line separator", "a\u2028b", "a\\u2028b"],
  ["tags", "a\u{e0041}b", "a\\udb40\\udc41b"],
  ["plain words", "Größe 5 µs ✓ 日本\tx\ny", "Größe 5 µs ✓ 日本\tx\ny"],
])("%s", (_about, text, expected) => {
  expect(fitForTerminal(text)).toBe(expected);
});

describe("fitForTerminal", () => {
  const hostile = fc
    .array(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.constantFrom(
          "\u001b[",
          "\u001b]",
          "\u001bP",
          "\u001b\\",
          "\u0007",
          "\u009b",
          "31m",
          ";",
          "\n",
        ),
        fc.integer({ min: 0, max: 0x20ff }).map((code) => String.fromCharCode(code)),
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join(""));

  test("nothing that steers a terminal is left of any text", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(fitForTerminal(text)).not.toMatch(steering);
        expect(plainText(text)).not.toContain("\n");
      }),
      { numRuns: 20_000 },
    );
  });

  test("our own colours stand around it, whole, and are no width", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const painted = colors.bold(colors.red(text));
        const shown = fitForTerminal(painted);
        expect(shown.startsWith("\u001b[1m\u001b[31m")).toBe(true);
        expect(shown.endsWith("\u001b[39m\u001b[22m")).toBe(true);
        // oxlint-disable-next-line no-control-regex -- colours begin with ESC
        expect(shown.replace(/\u001b\[(?:1|22|31|39)m/g, "")).not.toMatch(steering);
        expect(widthOf(colors.red("four"))).toBe(4);
      }),
      { numRuns: 5000 },
    );
  });

  test("JSON stays the same JSON", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(JSON.parse(fitForTerminal(JSON.stringify({ text })))).toEqual({ text });
      }),
      { numRuns: 5000 },
    );
  });

  test("a text cannot bring marks of its own", () => {
    const mark = colors.red("x").split("x")[0] ?? "";
    const other = mark.replace(/[0-9a-f]{12}/, "000000000000");
    expect(fitForTerminal(`${other}y`)).not.toContain("\u001b");
  });
});
