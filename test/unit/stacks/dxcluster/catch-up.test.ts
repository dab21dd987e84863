import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CatchUp,
  type CatchUpLine,
} from "../../../../templates/stacks/dxcluster/scraper/src/catch-up.ts";

interface Line extends CatchUpLine {
  readonly text: string;
}

const past = (text: string, minute: number): Line => ({
  text,
  past: minute * 60_000,
  other: false,
  ends: false,
});
const live = (text: string): Line => ({ text, past: null, other: false, ends: false });
const prompt: Line = { text: ">", past: null, other: true, ends: true };

function texts(lines: readonly Line[]): string[] {
  return lines.map((line) => line.text);
}

describe("CatchUp", () => {
  it("turns an answer that begins with the newest round, and lets live lines wait for it", () => {
    const catchUp = new CatchUp<Line>(0, 2);
    expect(texts(catchUp.take(prompt, 1))).toEqual([">"]);
    expect(catchUp.take(live("now"), 2)).toEqual([]);
    expect(catchUp.take(past("b", 2), 3)).toEqual([]);
    expect(catchUp.take(past("a", 1), 4)).toEqual([]);
    expect(catchUp.over).toBe(false);
    expect(texts(catchUp.take(prompt, 5))).toEqual(["a", "b", "now", ">"]);
    expect(catchUp.over).toBe(true);
    expect(texts(catchUp.take(live("later"), 6))).toEqual(["later"]);
  });

  it("leaves an answer that begins with the oldest, and takes a single minute for newest first", () => {
    const rising = new CatchUp<Line>(0, 2);
    for (const line of [past("a", 1), past("b", 1), past("c", 2)]) rising.take(line, 1);
    expect(texts(rising.take(prompt, 2))).toEqual(["a", "b", "c", ">"]);
    const level = new CatchUp<Line>(0, 2);
    for (const line of [past("b", 1), past("a", 1)]) level.take(line, 1);
    expect(texts(level.take(prompt, 2))).toEqual(["a", "b", ">"]);
  });

  it("ends by a pause, by silence, and in the end by time", () => {
    const paused = new CatchUp<Line>(0, 2);
    paused.take(past("a", 1), 100);
    expect(paused.wait(1099)).toEqual([]);
    expect(texts(paused.wait(1100))).toEqual(["a"]);
    const silent = new CatchUp<Line>(0, 2);
    silent.take(live("now"), 10);
    expect(silent.wait(4999)).toEqual([]);
    expect(texts(silent.wait(5000))).toEqual(["now"]);
    const endless = new CatchUp<Line>(0, 2);
    let handed = 0;
    for (let now = 0; now <= 30_000; now += 500) handed += endless.take(past("x", 1), now).length;
    expect([handed, endless.over]).toEqual([61, true]);
  });

  it("knows an answer without a spot by the second prompt", () => {
    const empty = new CatchUp<Line>(0, 2);
    expect(texts(empty.take(prompt, 1))).toEqual([">"]);
    expect(empty.take(live("now"), 2)).toEqual([]);
    expect(texts(empty.take(prompt, 3))).toEqual(["now", ">"]);
  });

  it("gives every line back once, whatever comes when", () => {
    const lines = fc.array(
      fc.record({
        past: fc.option(fc.integer({ min: 0, max: 5 })),
        other: fc.boolean(),
        ends: fc.boolean(),
        pause: fc.integer({ min: 0, max: 1500 }),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(lines, (script) => {
        const catchUp = new CatchUp<Line>(0, 2);
        const handed: Line[] = [];
        let now = 0;
        script.forEach(({ past: minute, other, ends, pause }, index) => {
          now += pause;
          handed.push(...catchUp.wait(now));
          const line = { text: String(index), past: minute, other: minute === null && other, ends };
          handed.push(...catchUp.take(line, now));
        });
        handed.push(...catchUp.wait(Number.POSITIVE_INFINITY));
        expect(
          texts(handed)
            .map(Number)
            .toSorted((a, b) => a - b),
        ).toEqual(script.map((_, index) => index));
        const liveOnes = texts(handed.filter((line) => line.past === null && !line.other));
        expect(liveOnes).toEqual(liveOnes.toSorted((a, b) => Number(a) - Number(b)));
      }),
    );
  });
});
