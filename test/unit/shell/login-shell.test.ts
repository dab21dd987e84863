import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderCommandLine } from "../../../src/shell/login-shell.ts";
import { quoteWord } from "../../../src/shell/quote.ts";

/** Those that this machine has; `sh` always. On lab hosts all of them are login shells (test/cases/strangers/login). */
const shells = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "tcsh"].filter((name) => {
  try {
    execFileSync("sh", ["-c", `command -v ${name}`]);
    return true;
  } catch {
    return false;
  }
});

const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "\\",
        "'",
        "!",
        "\n",
        "\n\n",
        "\\'",
        "\\n",
        "!!",
        "$x",
        "`",
        '"',
        "\t",
        "#",
        "~",
        "*",
      ),
      fc.string({ unit: "grapheme-ascii" }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

describe.each(shells)("a command line for %s", (shell) => {
  test("runs the script as it is, whatever is in it", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const script = `printf %s ${quoteWord(text)}\n:`;
        const line = renderCommandLine(script) ?? "";
        expect(execFileSync(shell, ["-c", line], { encoding: "utf8" })).toBe(text);
      }),
      { numRuns: 60 },
    );
  });

  test("leaves no trace of its own in the script", () => {
    const script = 'set -eu\nprintf "%s|" "$#" "$0" *.none "a  b"\nset -- 1 2\necho $*';
    const line = renderCommandLine(script) ?? "";
    expect(execFileSync(shell, ["-c", line], { encoding: "utf8" })).toBe("0|sh|*.none|a  b|1 2\n");
  });
});

test("what not every shell passes on has to go another way", () => {
  expect(renderCommandLine("echo ü")).toBeUndefined();
  expect(renderCommandLine("echo \u001f")).toBeUndefined();
  expect(renderCommandLine("echo hi")).toBe("sh -c 'echo hi'");
});
