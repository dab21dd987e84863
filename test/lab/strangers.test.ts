import { describe, expect, test } from "vitest";
import {
  isCheckOnly,
  readStrangerCases,
  runStrangerCase,
  systemsOf,
} from "../harness/stranger-case.ts";

/**
 * Hosts and projects that nobody here made. Every check and a sample of the others run with the other tests;
 * scripts/strangers runs all, or those whose names contain one of its words (HOSTKIT_STRANGERS, space-separated; "all").
 */
const wanted = process.env["HOSTKIT_STRANGERS"]?.split(" ").filter((word) => word !== "");
const cases = await readStrangerCases();

const chosen = cases.filter((one) =>
  wanted === undefined
    ? isCheckOnly(one) || one.ci === true
    : wanted.includes("all") || wanted.some((word) => one.name.includes(word)),
);

describe("strangers", () => {
  test("there are cases", () => {
    expect(chosen.length).toBeGreaterThan(0);
  });

  for (const one of chosen) {
    for (const system of systemsOf(one)) {
      // One system is enough for the sample.
      if (wanted === undefined && system !== systemsOf(one).at(-1)) continue;
      test.concurrent(`${one.name} ${system}: ${one.title}`, async () => {
        await runStrangerCase(one, system);
      });
    }
  }
});
