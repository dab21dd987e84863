import { expect, test } from "vitest";
import { Silence } from "../../../../templates/stacks/dxcluster/scraper/src/silence.ts";

const limits = { keepalive: 10, spotSilence: 60 };

test("a node that says nothing is asked once a keepalive, and given up after three", () => {
  const silence = new Silence(limits, 0);
  silence.reached(0);
  expect(silence.judge(10_000, true)).toBe("well");
  expect(silence.judge(10_001, true)).toBe("ask");
  silence.asked(10_001);
  expect(silence.judge(20_001, true)).toBe("well");
  expect(silence.judge(20_002, true)).toBe("ask");
  expect(silence.judge(30_001, true)).toBe("silent");
});

test("whoever speaks is well, but without spots only for so long", () => {
  const silence = new Silence(limits, 0);
  silence.heard(60_000);
  expect(silence.judge(60_000, true)).toBe("well");
  expect(silence.judge(60_001, true)).toBe("no spots");
  silence.spot(60_001);
  expect(silence.judge(60_001, true)).toBe("well");
});

test("no spots are expected before the log-in", () => {
  const silence = new Silence(limits, 0);
  silence.heard(90_000);
  expect(silence.judge(90_000, false)).toBe("well");
});
