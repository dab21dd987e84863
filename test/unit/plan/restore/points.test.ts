import { expect, test } from "vitest";
import { readRestorePoint } from "../../../../src/facts/postgres/restore-points.ts";
import { listReachablePoints } from "../../../../src/plan/restore/points.ts";
import { chooseReach } from "../../../../src/plan/restore/reach.ts";
import type { Reach } from "../../../../src/plan/restore/reach.ts";

const point = (name: string, time: number, lsn: string, timeline = 1) => ({
  ...{ name, time, lsn, segment: `0000000${timeline}0000000000000024`, why: "w" },
});

const reach = (label: string, stop: number, stopLsn: string, until: number): Reach => ({
  set: {
    ...{
      repository: 1,
      label,
      type: "full" as const,
      start: stop - 1,
      stop,
      bytes: 1,
      hasErrors: false,
    },
    ...{ firstWal: "", lastWal: "", archive: "17-1", stopLsn },
  },
  ...{ until, isOpen: false, lastWal: "" },
});

test.each([
  [
    "1795831003.724 0/2409C6A8 000000010000000000000024 hostkit-R-app-001.sql migration 001.sql in app",
    [
      {
        ...{ name: "hostkit-R-app-001.sql", time: 1795831003.724, lsn: "0/2409C6A8" },
        ...{ segment: "000000010000000000000024", why: "migration 001.sql in app" },
      },
    ],
  ],
  ["1795831003.724 0/2409C6A8 cut", []],
  ["", []],
])("a line of the list: %j", (line, expected) => {
  expect(readRestorePoint(line)).toEqual(expected);
});

test("only what a backup and WAL lead to, and what is not on a timeline that was left before it; the newest first", () => {
  const points = [
    point("before", 5, "0/1"),
    point("a", 20, "0/20"),
    point("left", 30, "0/35"),
    point("b", 40, "0/40", 3),
    point("hole", 90, "0/90", 3),
  ];
  const reaches = [reach("A", 10, "0/10", 60)];
  const fact = { timeline: 3, history: [{ timeline: 1, lsn: "0/30" }] };
  expect(listReachablePoints(points, reaches, fact).map(({ name }) => name)).toEqual(["b", "a"]);
});

test("a point that a run made chooses the newest backup before it; one that nobody knows of the newest full one", () => {
  const reaches = [
    reach("A", 10, "0/10", 60),
    reach("B", 25, "0/25", 60),
    reach("C", 50, "0/50", 60),
  ];
  const named = { kind: "name", value: "p" } as const;
  const known = chooseReach({ ...named, point: point("p", 30, "0/30") }, reaches);
  expect(known?.set.label).toBe("B");
  expect(chooseReach(named, reaches)?.set.label).toBe("C");
});
