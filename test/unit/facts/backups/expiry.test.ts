import { expect, test } from "vitest";
import {
  readExpiredSets,
  readForgotten,
  readLyingSets,
  readStoredSets,
  readStoredSnapshots,
} from "../../../../src/facts/backups/expiry.ts";

/** pgBackRest 2.55.1. */
const info = JSON.stringify([
  {
    backup: [
      { label: "20261128-044942F", type: "full", timestamp: { start: 1, stop: 20 } },
      { label: "20261128-044936F", type: "full", timestamp: { start: 1, stop: 10 } },
    ],
    repo: [{ cipher: "aes-256-cbc", key: 1, status: { code: 0, message: "ok" } }],
  },
]);
const dryRun = `P00   INFO: [DRY-RUN] expire command begin 2.55.1: --dry-run --exec-id=583-2a75d907 --stanza=app
P00   INFO: [DRY-RUN] repo1: expire full backup 20261128-044936F
P00   INFO: [DRY-RUN] repo1: expire full backup set 20261128-044942F, 20261128-044942F_20261128-044946I
P00   INFO: [DRY-RUN] repo1: remove expired backup 20261128-044942F_20261128-044946I
P00   INFO: [DRY-RUN] repo1: remove expired backup 20261128-044936F
P00   INFO: [DRY-RUN] repo1: 17-1 remove archive, start = 000000010000000000000005, stop = 000000010000000000000008
P00   INFO: [DRY-RUN] expire command end: completed successfully (271ms)`;

test("pgBackRest's list is read, the oldest first", () => {
  expect(readStoredSets(info)).toEqual([
    { label: "20261128-044936F", type: "full", time: 10, isByHand: false },
    { label: "20261128-044942F", type: "full", time: 20, isByHand: false },
  ]);
  expect(readStoredSets("[]")).toEqual([]);
});

test("a repository that pgBackRest cannot read is no empty one", () => {
  const said = JSON.stringify([
    { backup: [], repo: [{ key: 1, status: { code: 99, message: "[CryptoError] no" } }] },
  ]);
  expect(readStoredSets(said)).toBe("[CryptoError] no");
  expect(readStoredSets("")).toMatch(/cannot be read/);
});

test("what would go, and what lies there", () => {
  expect(readExpiredSets(dryRun)).toEqual([
    "20261128-044936F",
    "20261128-044942F",
    "20261128-044942F_20261128-044946I",
  ]);
  expect(readExpiredSets("")).toEqual([]);
  const listed = { ".": {}, "backup.history": {}, "backup.info": {}, "20261128-044936F": {} };
  expect(readLyingSets(JSON.stringify(listed))).toEqual(["20261128-044936F"]);
  expect(readLyingSets("{}")).toEqual([]);
});

test("restic's snapshots, and those it would forget", () => {
  const one = { id: "ab".repeat(32), short_id: "abababab", time: "2026-11-28T04:49:40.5Z" };
  const other = { ...one, short_id: "cdcdcdcd", time: "2026-11-27T04:49:40Z", tags: ["by-hand"] };
  expect(readStoredSnapshots(JSON.stringify([one, other]))).toMatchObject([
    { label: "cdcdcdcd", isByHand: true, type: "snapshot" },
    { label: "abababab", isByHand: false, id: one.id },
  ]);
  expect(readStoredSnapshots("null")).toEqual([]);
  expect(readStoredSnapshots("Fatal: no")).toBeUndefined();
  const groups = [
    { tags: ["app"], keep: [one], remove: [other] },
    { tags: ["x"], keep: [], remove: null },
  ];
  expect(readForgotten(`${JSON.stringify(groups)}\n`)).toEqual(["cdcdcdcd"]);
  expect(readForgotten("null")).toEqual([]);
  expect(readForgotten("")).toEqual([]);
});
