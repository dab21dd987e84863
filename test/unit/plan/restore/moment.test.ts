import { expect, test } from "vitest";
import { parseMoment } from "../../../../src/plan/restore/moment.ts";
import { parseTarget } from "../../../../src/plan/restore/target.ts";

/** A Friday in Berlin, 21:30:15 there. */
const context = { now: Date.parse("2026-11-27T20:30:15Z"), zone: "Europe/Berlin" };

test.each([
  ["now", "2026-11-27T20:30:15Z"],
  ["10 minutes ago", "2026-11-27T20:20:15Z"],
  ["a minute ago", "2026-11-27T20:29:15Z"],
  ["an hour and 20 min ago", "2026-11-27T19:10:15Z"],
  ["1h 20m ago", "2026-11-27T19:10:15Z"],
  ["1.5 hours ago", "2026-11-27T19:00:15Z"],
  ["2 days ago", "2026-11-25T20:30:15Z"],
  ["14:05", "2026-11-27T13:05:00Z"],
  ["today 14:05", "2026-11-27T13:05:00Z"],
  ["yesterday 14:05", "2026-11-26T13:05:00Z"],
  ["Yesterday at 9:05:07", "2026-11-26T08:05:07Z"],
  ["yesterday 14:05 UTC", "2026-11-26T14:05:00Z"],
  ["2026-11-27 20:00 CET", "2026-11-27T19:00:00Z"],
  ["2026-11-27 20:00", "2026-11-27T19:00:00Z"],
  ["2026-07-01 20:00", "2026-07-01T18:00:00Z"],
  ["2026-11-27T20:00:30.25Z", "2026-11-27T20:00:30.250Z"],
  ["2026-11-27T20:00:30+02:00", "2026-11-27T18:00:30Z"],
  ["2026-11-27 20:00 +0530", "2026-11-27T14:30:00Z"],
  ["2026-11-27 20:00 America/New_York", "2026-11-28T01:00:00Z"],
  ["@1764266000", "2025-11-27T17:53:20Z"],
])("%s", (text, utc) => {
  expect(parseMoment(text, context)).toEqual({ milliseconds: Date.parse(utc) });
});

test.each([
  ["", /is no time/],
  ["soon", /is no time/],
  ["10 fortnights ago", /is no length of time/],
  ["05/06/2026 10:00", /is no time/],
  ["2026-11-27", /has no time of day/],
  ["yesterday", /has no time of day/],
  ["2026-02-30 10:00", /there is no/],
  ["25:00", /there is no/],
  ["2026-11-27 20:00 IST", /no time zone that means one thing/],
  ["2026-11-27 20:00 Nowhere/Land", /no time zone that means one thing/],
  ["2026-03-29 02:30", /was skipped/],
  ["2026-10-25 02:30", /was twice/],
])("%s is refused", (text, why) => {
  expect(parseMoment(text, context)).toMatchObject({ wrong: expect.stringMatching(why) });
});

test("what a time that was twice was in UTC is said", () => {
  expect(parseMoment("2026-10-25 02:30", context)).toMatchObject({
    next: "write 2026-10-25 00:30:00 UTC or 2026-10-25 01:30:00 UTC",
  });
});

test("a host without a zone has UTC", () => {
  expect(parseMoment("14:05", { ...context, zone: "" })).toEqual({
    milliseconds: Date.parse("2026-11-27T14:05:00Z"),
  });
  expect(parseMoment("14:05", { ...context, zone: "Mars/Olympus" })).toEqual({
    milliseconds: Date.parse("2026-11-27T14:05:00Z"),
  });
});

test.each([
  ["latest", { kind: "latest" }],
  ["immediate", { kind: "immediate" }],
  ["lsn:0/5000060", { kind: "lsn", value: "0/5000060" }],
  ["xid:7312", { kind: "xid", value: "7312" }],
  ["name:before: it", { kind: "name", value: "before: it" }],
  ["1 minute ago", { kind: "time", milliseconds: context.now - 60_000 }],
])("target %s", (text, target) => {
  expect(parseTarget(text, context)).toEqual({ target });
});

test.each(["lsn:5000060", "xid:-1", "xid:", "name:", `name:${"x".repeat(64)}`, "23:59", "oid:7"])(
  "target %s is refused",
  (text) => {
    expect(parseTarget(text, context)).toHaveProperty("wrong");
  },
);
