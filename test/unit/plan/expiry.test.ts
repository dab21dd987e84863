import { describe, expect, test } from "vitest";
import type { StoredBackup } from "../../../src/facts/backups/expiry.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import { doubtExpiry, refuseLast, refuseUnlisted } from "../../../src/plan/expiry.ts";
import type { ExpiryLook, ExpiryRecord } from "../../../src/plan/expiry.ts";

const day = 86_400;
const now = Date.parse("2026-11-28T12:00:00Z") / 1000;

function manifestOf(backups: string) {
  const { manifest, problems } = parseManifest(
    `stack: app\nhosts: { h: { address: h.example.org } }\ndatabase: { databases: { app: {} } }\nbackups: { repositories: { offsite: { path: /x } }, ${backups} }\n`,
    "hostkit.yaml",
  );
  if (manifest === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  return manifest;
}

/** Backups so many days old, the oldest first; `f`: full, `i`: incremental, `s`: a snapshot, `h`: one by hand. */
function backupsOf(ages: string): StoredBackup[] {
  const types = { f: "full", i: "incr", s: "snapshot", h: "snapshot" } as const;
  return ages.split(" ").map((word) => {
    const kind = word[0] as keyof typeof types;
    const time = now - Math.round(Number(word.slice(1)) * day);
    return { label: word, type: types[kind], time, isByHand: kind === "h" };
  });
}

interface Case {
  readonly name: string;
  readonly backups: string;
  readonly goes: string;
  readonly tool?: ExpiryLook["tool"];
  /** Days since the last time, and what was left. */
  readonly last?: readonly [number, string];
  readonly manifest?: string;
  /** What drills have restored. */
  readonly proved?: string;
  readonly doubts: readonly RegExp[];
}

const weekly = "postgres: { full: weekly, incremental: daily, keep: { full: 3 } }";
const cases: readonly Case[] = [
  {
    name: "weekly ones, as the schedule makes them",
    ...{ backups: "f35 f28 f21 f14 f7 f0.1", goes: "f35 f28 f21" },
    doubts: [],
  },
  {
    name: "the same, after a month",
    ...{ backups: "f49 f42 f35 f28 f21 f14 f7 f0.1", goes: "f49 f42 f35 f28 f21" },
    last: [35, "f49 f42 f35"],
    doubts: [],
  },
  {
    name: "a burst that counts the good ones out",
    ...{ backups: "f21 f14 f7 f0.03 f0.02 f0.01", goes: "f21 f14 f7" },
    last: [14, "f21 f14"],
    doubts: [/reach back 43 minutes, where .* mean 14 days/],
  },
  {
    name: "a burst of many",
    backups: `f21 f14 f7 ${Array.from({ length: 9 }, (_, n) => `f0.0${9 - n}`).join(" ")}`,
    ...{ goes: "f21 f14 f7", last: [7, "f21 f14 f7"] },
    doubts: [/^9 full backups since .* \(weekly\) explains 5 at most$/, /reach back/],
  },
  {
    name: "a burst of which nothing would go",
    ...{ backups: "f21 f14 f7 f0.03 f0.02 f0.01", goes: "", last: [14, "f21 f14"] },
    doubts: [],
  },
  {
    name: "the last proved one",
    ...{ backups: "f35 f28 f21 f14 f7 f0.1", goes: "f35 f28 f21", proved: "f35 f28" },
    doubts: [/^the last one that a drill has restored would go: f28; none that stays was proved$/],
  },
  {
    name: "proved ones, and one of them stays",
    ...{ backups: "f35 f28 f21 f14 f7 f0.1", goes: "f35 f28 f21", proved: "f35 f28 f7" },
    doubts: [],
  },
  {
    name: "one from the future",
    ...{ backups: "f35 f28 f21 f14 f7 f-3", goes: "f35", last: [7, "f35 f28 f21 f14 f7"] },
    doubts: [/^dated in the future: f-3$/],
  },
  {
    name: "a clock some minutes ahead",
    ...{ backups: "f35 f28 f21 f14 f7 f-0.004", goes: "f35", last: [7, "f35 f28 f21 f14 f7"] },
    doubts: [],
  },
  {
    name: "one that was not there, and is dated before",
    ...{ backups: "f35 f28 f22 f21 f14 f7", goes: "f35", last: [8, "f35 f28 f21 f14"] },
    doubts: [/^not there on .*: f22$/],
  },
  {
    name: "one that was being made the last time",
    ...{ backups: "f35 f28 f21 f14 f8.5", goes: "f35", last: [8, "f35 f28 f21 f14"] },
    doubts: [],
  },
  {
    name: "all of it",
    ...{ backups: "f21 f14", goes: "f21 f14", last: [7, "f21 f14"] },
    doubts: [/^nothing would be left$/],
  },
  {
    name: "twice a week, written as a calendar",
    manifest: 'postgres: { full: "Mon,Thu *-*-* 03:00", keep: { full: 3 } }',
    ...{ backups: "f14 f10.5 f7 f3.5 f0.1", goes: "f14 f10.5" },
    doubts: [],
  },
  {
    name: "files of every day, and some by hand",
    ...{ tool: "files", manifest: "files: { paths: [/etc], keep: { daily: 3 } }" },
    ...{ backups: "s5 s4 s3 s2 s1 h0.9 h0.8 h0.7 h0.6 h0.5 s0.1", goes: "s5 s4 s3" },
    last: [2.5, "s5 s4 s3"],
    doubts: [],
  },
  {
    name: "files, a burst under the schedule's own name",
    ...{ tool: "files", manifest: "files: { paths: [/etc], keep: { daily: 3 } }" },
    ...{ backups: "s5 s4 s3 s0.9 s0.8 s0.7 s0.6 s0.5 s0.4 s0.1", goes: "s5 s4 s3" },
    last: [2.5, "s5 s4 s3"],
    doubts: [
      /^7 backups since .* explains 6 at most$/,
      /reach back 21 hours, where .* mean 2 days/,
    ],
  },
];

describe("what speaks against removing old backups", () => {
  test.each(cases)(
    "$name",
    ({ backups, goes, tool = "postgres", last, manifest, proved, doubts }) => {
      const look: ExpiryLook = {
        tool,
        ...{ repository: "offsite", backups: backupsOf(backups), unlisted: [] },
        goes: goes === "" ? [] : goes.split(" "),
      };
      const record: ExpiryRecord | undefined =
        last === undefined ? undefined : { time: now - last[0] * day, left: last[1].split(" ") };
      const found = doubtExpiry(look, {
        ...{ manifest: manifestOf(manifest ?? weekly), now },
        ...(record === undefined ? {} : { last: record }),
        ...(proved === undefined ? {} : { proved: proved.split(" ") }),
      });
      expect(found).toHaveLength(doubts.length);
      for (const [index, doubt] of doubts.entries()) expect(found[index]).toMatch(doubt);
    },
  );
});

test.each([
  ["all of them", "f3 f2 f1", "f3 f2 f1", "", /all of them would go/],
  ["the last whole one", "f3 f2 f1", "f3 f2", "f1", /damaged pages/],
  ["some of the whole ones", "f3 f2 f1", "f3", "f1", undefined],
  ["damaged ones where no other is", "f3 f2 f1", "f3", "f3 f2 f1", undefined],
  ["nothing", "f1", "", "f1", undefined],
])("removing %s, whatever is asked for", (_, ages, goes, damaged, why) => {
  const isIn = (list: string, label: string): boolean => list.split(" ").includes(label);
  const look: ExpiryLook = {
    ...{ repository: "offsite", tool: "postgres", unlisted: [] },
    backups: backupsOf(ages).map((one) => ({
      ...one,
      ...(isIn(damaged, one.label) ? { isDamaged: true as const } : {}),
    })),
    goes: goes === "" ? [] : goes.split(" "),
  };
  const refuse = () => refuseLast(look);
  if (why === undefined) expect(refuse).not.toThrow();
  else
    expect(refuse).toThrow(
      expect.objectContaining({
        parts: expect.objectContaining({ why: expect.stringMatching(why) }),
      }),
    );
});

test.each([
  ["20261128-115000F", true],
  ["20261120-010000F_20261128-115000I", true],
  ["20261127-010000F", true],
  ["20261125-010000F", false],
  ["20261120-010000F_20261121-115000D", false],
  ["no label at all", true],
])("of %s that is not listed it is told: it may be one that is made now: %s", (label, isYoung) => {
  const look: ExpiryLook = {
    ...{ repository: "offsite", tool: "postgres", backups: [], goes: [], unlisted: [label] },
  };
  const refuse = () => refuseUnlisted(look, now);
  if (isYoung) expect(refuse).toThrow(/is being made/);
  else expect(refuse).not.toThrow();
});
