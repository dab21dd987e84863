import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { condenseLog, findCause } from "../../../src/plan/log-cause.ts";

interface Sample {
  readonly about: string;
  readonly log: string;
  readonly cause?: string;
}

const file = new URL("../../cases/report/log-causes.yaml", import.meta.url);
const samples = parse(readFileSync(file, "utf8")) as Sample[];

describe("the cause in a log", () => {
  test.each(samples.map((sample) => [sample.about, sample] as const))("%s", (_, { log, cause }) => {
    expect(findCause(log)).toBe(cause);
    const shown = condenseLog(log);
    expect(shown.length).toBeGreaterThan(0);
    if (cause !== undefined) expect(shown.join("\n")).toContain(cause);
  });

  test("is shown first where the last lines do not hold it", () => {
    const more = Array.from({ length: 40 }, (_, index) => `line ${index}`).join("\n");
    const shown = condenseLog(`Setting up x (1) ...\nx: cannot open /etc/x\n${more}`);
    expect(shown.slice(0, 3)).toEqual(["x: cannot open /etc/x", "…", "line 26"]);
    expect(shown.at(-1)).toBe("line 39");
  });

  test("progress is left out of the last lines", () => {
    const log =
      "E: no\n(Reading database ... 5%\rSetting up a ...\nSelecting previously unselected package x.\nend";
    expect(condenseLog(log)).toEqual(["E: no", "end"]);
  });

  test("any text is answered, in few lines", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
        const shown = condenseLog(text);
        expect(shown.length).toBeLessThanOrEqual(16);
        for (const line of shown) expect(line.length).toBeLessThanOrEqual(400);
      }),
    );
  });
});
