import { describe, expect, it } from "vitest";
import {
  type Filter,
  isFiltering,
  levelOf,
  makeHeat,
  matches,
  mergeSpots,
  mostSpots,
  sayConditions,
  searchQueries,
  shadeOf,
  sortSpots,
  type Spot,
  styleOf,
  wordOfK,
} from "../../../../templates/stacks/dxcluster/dashboard/page/spots.ts";
import { toCsv } from "../../../../templates/stacks/dxcluster/radio/spots-csv.ts";
import { makeSpot as spot, now } from "./dashboard-spot.ts";

const ids = (spots: readonly Spot[]): readonly number[] => spots.map((one) => one.id);
const all: Filter = { band: "", mode: "", text: "", people: false };

describe("the page's spots", () => {
  it("are newest first, each once, and bounded", () => {
    const held = mergeSpots([spot(2), spot(1)], [spot(3), spot(2), spot(3)]);
    expect(ids(held)).toEqual([3, 2, 1]);
    expect(mergeSpots(held, [spot(3)])).toBe(held);
    const many = mergeSpots(
      [],
      Array.from({ length: mostSpots + 5 }, (_, index) => spot(index)),
    );
    expect(many).toHaveLength(mostSpots);
    expect(many[0]?.id).toBe(mostSpots + 4);
  });

  it("stay in the order of their times when a node tells of the past", () => {
    const late = spot(9, { timestamp: new Date(now - 3_600_000).toISOString() });
    const held = [spot(2, { timestamp: new Date(now).toISOString() })];
    expect(ids(mergeSpots(held, [late]))).toEqual([2, 9]);
  });

  it("are filtered by band, mode, text and people", () => {
    expect(isFiltering(all)).toBe(false);
    expect(matches(spot(1), all)).toBe(true);
    expect(matches(spot(1), { ...all, band: "40m" })).toBe(false);
    expect(matches(spot(1), { ...all, mode: "SSB" })).toBe(false);
    expect(matches(spot(1), { ...all, text: " ja1 " })).toBe(true);
    expect(matches(spot(1), { ...all, text: "zz" })).toBe(false);
    expect(matches(spot(1, { dx_country: "Japan" }), { ...all, text: "jap" })).toBe(true);
    expect(matches(spot(1, { spotter_call: "W3LPL-#" }), { ...all, people: true })).toBe(false);
    for (const filter of [{ band: "20m" }, { mode: "CW" }, { text: "x" }, { people: true }])
      expect(isFiltering({ ...all, ...filter })).toBe(true);
  });

  it("ask the API for what the page does not hold", () => {
    expect(searchQueries(all, 200)).toEqual([]);
    expect(searchQueries({ ...all, people: true }, 200)).toEqual([]);
    expect(searchQueries({ ...all, band: "20m", mode: "CW" }, 200)).toEqual([
      "limit=200&band=20m&mode=CW",
    ]);
    expect(searchQueries({ ...all, text: " vk9/dl1abc ", band: "20m" }, 50)).toEqual([
      "limit=50&band=20m&dx_call=vk9%2Fdl1abc",
      "limit=50&band=20m&spotter_call=vk9%2Fdl1abc",
      "limit=50&band=20m&comment_contains=vk9%2Fdl1abc",
    ]);
    // No part of a callsign; one letter is in most of them, and two are in most comments.
    expect(searchQueries({ ...all, text: "up 2" }, 50)).toEqual(["limit=50&comment_contains=up+2"]);
    expect(searchQueries({ ...all, text: "k1" }, 50)).toHaveLength(2);
    expect(searchQueries({ ...all, text: "k" }, 50)).toEqual([]);
  });

  it("are sorted either way, equal ones newest first, empty ones last", () => {
    const some = [
      spot(3, { frequency: "7005.000", mode: null, timestamp: new Date(now).toISOString() }),
      spot(2, { frequency: "14025.000", mode: "SSB", dx_country: "Brazil" }),
      spot(1, { frequency: "14025.000", mode: "CW", dx_country: "Japan" }),
    ];
    const by = (key: "time" | "frequency" | "mode" | "country", descending: boolean) =>
      ids(sortSpots(some, { key, descending }));
    expect(by("frequency", false)).toEqual([3, 2, 1]);
    expect(by("frequency", true)).toEqual([2, 1, 3]);
    expect(by("mode", false)).toEqual([1, 2, 3]);
    expect(by("mode", true)).toEqual([2, 1, 3]);
    expect(by("country", false)).toEqual([2, 1, 3]);
    expect(by("time", true)).toEqual([3, 2, 1]);
  });

  it("become CSV that no spreadsheet computes", () => {
    const csv = toCsv([spot(1, { comment: 'say "hi", ok' }), spot(2, { comment: "=1+1" })]);
    expect(csv.split("\r\n")).toHaveLength(4);
    expect(csv).toContain('"say ""hi"", ok"');
    expect(csv).toContain(",'=1+1,");
  });
});

describe("a band's condition", () => {
  const condition = (spot_count: number, voice_count: number) =>
    levelOf({ band: "20m", spot_count, voice_count });

  it("is red without spots, yellow without voice, green with two voice reports", () => {
    expect(levelOf(undefined)).toBe("red");
    expect(condition(0, 0)).toBe("red");
    expect(condition(9, 0)).toBe("yellow");
    expect(condition(9, 1)).toBe("yellow");
    expect(condition(2, 2)).toBe("green");
  });

  it("knows modes by their kind", () => {
    expect(["SSB", "FM", "AM"].map(styleOf)).toEqual(["voice", "voice", "voice"]);
    expect(styleOf("CW")).toBe("cw");
    expect(["FT8", "RTTY", "DIGI"].map(styleOf)).toEqual(["digital", "digital", "digital"]);
    expect(styleOf(null)).toBe("other");
  });
});

describe("the heat map", () => {
  const hour = (hours: number) => new Date(now - hours * 3_600_000).toISOString();

  it("puts counts at their band and hour, and sums the hours", () => {
    const heat = makeHeat(
      [
        { band: "20m", hour: hour(0), spot_count: 5 },
        { band: "40m", hour: hour(0), spot_count: 2 },
        { band: "40m", hour: hour(23), spot_count: 7 },
        { band: "40m", hour: hour(24), spot_count: 99 },
      ],
      ["40m", "20m", "10m"],
      now + 1234,
    );
    expect(heat.hours).toHaveLength(24);
    expect(heat.hours[23]).toBe(now);
    expect(heat.rows.map((row) => [row.band, row.counts[0], row.counts[23]])).toEqual([
      ["40m", 7, 2],
      ["20m", 0, 5],
      ["10m", 0, 0],
    ]);
    expect([heat.totals[0], heat.totals[23], heat.most]).toEqual([7, 7, 7]);
  });

  it("shades nothing as nothing, one spot as something, the most as the most", () => {
    expect(shadeOf(0, 100)).toBe(0);
    expect(shadeOf(0, 0)).toBe(0);
    expect(shadeOf(1, 10_000)).toBe(1);
    expect(shadeOf(100, 100)).toBe(6);
    expect(shadeOf(25, 100)).toBe(3);
  });
});

describe("the K index", () => {
  it("has NOAA's words", () => {
    expect([0, 2, 3, 4, 5, 9].map((k) => wordOfK(k).word)).toEqual([
      "quiet",
      "quiet",
      "unsettled",
      "active",
      "storm",
      "storm",
    ]);
  });
});

describe("the conditions of an announcement", () => {
  it.each([
    ["No Storms -> No Storms", "no storms"],
    ["No Storms -> Minor w/G1", "no storms → minor w/g1"],
    ["SA=qui GMF=qui Au=no", "sun quiet · no aurora"],
    ["SA=eru GMF=act Au=strong", "sun eruptive · strong aurora"],
    ["SA=war GMF=nil Au=??", ""],
    ["", ""],
  ])("are said in words: %s", (given, said) => {
    expect(sayConditions(given)).toBe(said);
  });
});
