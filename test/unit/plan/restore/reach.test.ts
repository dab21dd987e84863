import { expect, test } from "vitest";
import type { BackupSet, RestoreFact } from "../../../../src/facts/postgres/restore.ts";
import { chooseReach, findReaches, spansOf } from "../../../../src/plan/restore/reach.ts";

const name = (timeline: number, number: number): string =>
  [timeline, 0, number].map((part) => part.toString(16).toUpperCase().padStart(8, "0")).join("");

const set = (
  label: string,
  stop: number,
  first: number,
  more: Partial<BackupSet> = {},
): BackupSet => ({
  ...{ repository: 1, label, type: "full", start: stop - 5, stop, bytes: 1, hasErrors: false },
  ...{ firstWal: name(1, first), lastWal: name(1, first), archive: "17-1" },
  ...more,
});

/** Segments with their times: ten seconds each. */
const wal = (timeline: number, ...numbers: readonly number[]) =>
  numbers.map((number) => ({
    ...{ repository: 1, archive: "17-1", name: name(timeline, number), time: number * 10 },
  }));

const fact = (more: Partial<RestoreFact>): RestoreFact => ({
  ...{ sets: [], archived: [], timeline: 1, history: [], segmentBytes: 16 * 1024 * 1024 },
  ...{
    data: "/d",
    freeBytes: 0,
    tablespaces: [],
    zone: "",
    done: [],
    counts: [],
    notes: [],
    points: [],
  },
  ...more,
});

const time = (seconds: number) => ({ kind: "time", milliseconds: seconds * 1000 }) as const;

test("a backup leads to the end of the WAL behind it, and to now where the cluster archives", () => {
  const seen = fact({ sets: [set("A", 31, 3)], archived: wal(1, 2, 3, 4, 5, 6) });
  expect(findReaches(seen, 17, undefined)).toMatchObject([
    { until: 60, isOpen: true, lastWal: name(1, 6) },
  ]);
  expect(findReaches(seen, 17, 99)).toMatchObject([{ until: 99 }]);
});

test("a hole ends it, and what is behind the hole is had from a later backup", () => {
  const seen = fact({
    sets: [set("A", 31, 3), set("B", 91, 9)],
    archived: wal(1, 3, 4, 5, 8, 9, 10),
  });
  const reaches = findReaches(seen, 17, 120);
  expect(spansOf(reaches)).toEqual([
    { from: 31, until: 50 },
    { from: 91, until: 120 },
  ]);
  expect(chooseReach(time(45), reaches)?.set.label).toBe("A");
  expect(chooseReach(time(70), reaches)).toBeUndefined();
  expect(chooseReach(time(20), reaches)).toBeUndefined();
  expect(chooseReach(time(100), reaches)?.set.label).toBe("B");
  expect(chooseReach({ kind: "latest" }, reaches)?.set.label).toBe("B");
});

test("the newest backup before the moment is taken, of two equal ones that in the first repository", () => {
  const archived = wal(1, 3, 4, 5, 6, 7);
  const sets = [set("A", 31, 3), set("B", 51, 5), set("B", 51, 5, { repository: 2 })];
  const both = [...archived, ...archived.map((one) => ({ ...one, repository: 2 }))];
  const reaches = findReaches(fact({ sets, archived: both }), 17, undefined);
  expect(chooseReach(time(40), reaches)?.set.label).toBe("A");
  expect(chooseReach(time(60), reaches)?.set).toMatchObject({ label: "B", repository: 1 });
});

test("backups that are damaged, without their WAL or of another major version lead nowhere", () => {
  const sets = [
    set("damaged", 31, 3, { hasErrors: true }),
    set("bare", 31, 2, { lastWal: name(1, 5) }),
    set("other", 31, 3, { archive: "15-1" }),
  ];
  const archived = [...wal(1, 2, 3, 4), ...wal(1, 3).map((one) => ({ ...one, archive: "15-1" }))];
  expect(findReaches(fact({ sets, archived }), 17, undefined)).toEqual([]);
});

test("after a restore the way goes along the new timeline", () => {
  const seen = fact({
    timeline: 2,
    history: [{ timeline: 1, lsn: "0/5000100" }],
    sets: [set("A", 31, 3)],
    // 6 and 7 of the first timeline are what was given up.
    archived: [...wal(1, 3, 4, 5, 6, 7), ...wal(2, 5, 6)],
  });
  expect(findReaches(seen, 17, undefined)).toMatchObject([{ lastWal: name(2, 6), until: 60 }]);
});

test("after an undo the timeline that was given up is none", () => {
  const seen = fact({
    sets: [set("A", 31, 3), set("B", 71, 6, { firstWal: name(2, 6), lastWal: name(2, 6) })],
    archived: [...wal(1, 3, 4, 5, 6), ...wal(2, 5, 6, 7, 8)],
  });
  expect(findReaches(seen, 17, 100)).toMatchObject([{ set: { label: "A" }, lastWal: name(1, 6) }]);
});

test("where the data is lost every timeline may be its way", () => {
  const { timeline: _, ...lost } = fact({
    sets: [set("A", 31, 3)],
    archived: [...wal(1, 3, 4, 5), ...wal(2, 5, 6)],
  });
  expect(findReaches(lost, 17, undefined)).toMatchObject([{ until: 60 }]);
});

test("an LSN is reached from a backup that was whole before it", () => {
  const sets = [
    set("A", 31, 3, { stopLsn: "0/3000100" }),
    set("B", 51, 5, { stopLsn: "0/5000100" }),
  ];
  const reaches = findReaches(fact({ sets, archived: wal(1, 3, 4, 5, 6) }), 17, undefined);
  expect(chooseReach({ kind: "lsn", value: "0/4FFFFFF" }, reaches)?.set.label).toBe("A");
  expect(chooseReach({ kind: "lsn", value: "0/5000100" }, reaches)?.set.label).toBe("B");
});

test("a transaction or a restore point is looked for from the newest full backup on, or from the one that is named", () => {
  const sets = [set("A", 31, 3), set("B", 51, 5), set("C", 61, 6, { type: "incr" })];
  const reaches = findReaches(fact({ sets, archived: wal(1, 3, 4, 5, 6) }), 17, undefined);
  expect(chooseReach({ kind: "xid", value: "7" }, reaches)?.set.label).toBe("B");
  expect(chooseReach({ kind: "name", value: "n" }, reaches, true)?.set.label).toBe("C");
});
