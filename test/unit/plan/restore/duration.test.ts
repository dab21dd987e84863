import { describe, expect, it, test } from "vitest";
import type { DrillRecord } from "../../../../src/facts/backups/drill.ts";
import type { RestoreFact } from "../../../../src/facts/postgres/restore.ts";
import { estimateDuration } from "../../../../src/plan/restore/duration.ts";
import { countSegments } from "../../../../src/plan/restore/reach.ts";
import type { Reach } from "../../../../src/plan/restore/reach.ts";
import type { RestoreTarget } from "../../../../src/plan/restore/target.ts";

const name = (number: number): string =>
  [1, 0, number].map((part) => part.toString(16).toUpperCase().padStart(8, "0")).join("");

const restore = {
  segmentBytes: 16 * 1024 * 1024,
  archived: [3, 4, 5, 6, 7].map((number) => ({
    ...{ repository: 1, archive: "17-1", name: name(number), time: number * 10 },
  })),
} as unknown as RestoreFact;

const reach = {
  set: { repository: 1, archive: "17-1", bytes: 4000, firstWal: name(3), lastWal: name(4) },
  lastWal: name(7),
} as unknown as Reach;

test.each<[string, RestoreTarget, number]>([
  ["all there is", { kind: "latest" }, 5],
  ["the end of the backup", { kind: "immediate" }, 2],
  ["a moment within the sixth", { kind: "time", milliseconds: 51_000 }, 4],
  ["a moment within the backup's last one", { kind: "time", milliseconds: 31_000 }, 2],
  ["younger than what is archived", { kind: "time", milliseconds: 99_000 }, 5],
  ["a transaction: at most", { kind: "xid", value: "12" }, 5],
])("segments until %s", (_about, target, segments) => {
  expect(countSegments(target, reach, restore)).toBe(segments);
});

const drill: DrillRecord = {
  ...{ tool: "postgres", repository: "local", label: "A", started: 0, finished: 9, outcome: "ok" },
  ...{ cause: "", restored: 10, replayed: 3, segments: 6, bytes: 1000 },
};

describe("how long a restore takes", () => {
  const asked = { target: { kind: "latest" }, reach, restore } as const;

  it("goes by the pace of the newest drill of the same repository that went well", () => {
    const records: DrillRecord[] = [
      { ...drill, restored: 99 },
      drill,
      { ...drill, repository: "far", restored: 99 },
      { ...drill, outcome: "failed", restored: 99 },
      { ...drill, tool: "files", restored: 99 },
    ];
    expect(estimateDuration(records, "local", asked)).toEqual({
      ...{ copy: 40, replay: 2.5, segments: 5, drill },
    });
  });

  it("is not known without one", () => {
    expect(estimateDuration([{ ...drill, outcome: "failed" }], "local", asked)).toBeUndefined();
    expect(estimateDuration([drill], "far", asked)).toBeUndefined();
  });

  it("says nothing of WAL where a drill of an older hostkit did not count it", () => {
    const { segments: _none, ...old } = drill;
    expect(estimateDuration([old], "local", asked)).toEqual({ copy: 40, segments: 5, drill: old });
  });
});
