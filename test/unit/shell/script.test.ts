import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quoteWord } from "../../../src/shell/quote.ts";
import { commandScript, joinScripts, sh } from "../../../src/shell/script.ts";

const word = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));

describe("quoting", () => {
  test("any words reach a program exactly as they are", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
        const script = commandScript(["printf", "%s\\0", ...words]);
        const printed = execFileSync("sh", ["-c", script.text], { encoding: "utf8" });
        expect(printed).toBe(
          words.map((text) => `${Buffer.from(text).toString("utf8")}\0`).join(""),
        );
      }),
      { numRuns: 60 },
    );
  });

  test("a value cannot end its word, start a command or expand", () => {
    const nasty = `a'; echo $HOME "\`id\`" & #\n*`;
    expect(execFileSync("sh", ["-c", sh`printf %s ${nasty}`.text], { encoding: "utf8" })).toBe(
      nasty,
    );
  });

  test("a NUL byte is refused", () => {
    expect(() => quoteWord("a\0b")).toThrow(RangeError);
  });

  test("lists become several words, scripts stay as they are, empty ones leave no line", () => {
    expect(sh`install ${["a b", "c"]} -- ${7}`.text).toBe("install 'a b' c -- 7");
    expect(joinScripts([sh`a`, sh``, sh`b`]).text).toBe("a\nb");
  });
});
