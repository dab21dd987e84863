import { describe, expect, test } from "vitest";
import type { DrillFact, DrillRecord } from "../../../src/facts/backups/drill.ts";
import type { Backups } from "../../../src/manifest/manifest.ts";
import { judgeDrills, longestPauseOf } from "../../../src/stack/backups/proofs.ts";

const day = 86_400;
const now = 100 * day;

function record(parts: Partial<DrillRecord>): DrillRecord {
  return {
    ...{ tool: "postgres", repository: "local", label: "20261121-013416F", cause: "" },
    ...{ started: now - day, finished: now - day + 60, outcome: "ok" },
    ...parts,
  };
}

function judge(fact: Partial<DrillFact>, drill: string | undefined = "weekly") {
  const backups = {
    repositories: [],
    postgres: { repositories: ["local"] },
    verify: [],
    ...(drill === "none" ? {} : { drill }),
  } as unknown as Backups;
  const whole = { records: [], running: [], since: {}, ...fact };
  return judgeDrills({ stack: "dx", backups }, whole, now).map(({ state }) => state);
}

describe("how it stands with a proof", () => {
  test.each([
    ["none yet", {}, ["none"]],
    ["none yet, and the timer is new", { since: { postgres: now - day } }, ["none"]],
    ["none for a month", { since: { postgres: now - 30 * day } }, ["overdue"]],
    ["a good one", { records: [record({})] }, ["ok"]],
    ["an old good one", { records: [record({ finished: now - 16 * day })] }, ["overdue"]],
    ["one that failed", { records: [record({}), record({ outcome: "failed" })] }, ["failed"]],
    [
      "another repository's",
      { records: [record({ repository: "x", outcome: "failed" })] },
      ["none"],
    ],
    ["one that goes on", { running: [{ tool: "postgres", repository: "local" }] }, ["running"]],
    ["one that was killed", { records: [record({ outcome: "interrupted" })] }, ["failed"]],
  ] as const)("%s", (_name, fact, states) => {
    expect(judge(fact as Partial<DrillFact>)).toEqual(states);
  });

  test("without times nothing is overdue", () => {
    expect(judge({ records: [record({ finished: 0 })] }, "none")).toEqual(["ok"]);
  });
});

test.each([
  ["hourly", 3600],
  ["weekly", 7 * day],
  ["Mon *-*-* 03:00", 7 * day],
  ["Mon,Thu 03:00", 7 * day],
  ["*-*-* 02:30:00", day],
  ["02:30", day],
  ["*-*-01 03:00 Europe/Berlin", 31 * day],
  ["*-12-24", 366 * day],
])("between two times of %s are at most so many seconds", (schedule, seconds) => {
  expect(longestPauseOf(schedule)).toBe(seconds);
});
