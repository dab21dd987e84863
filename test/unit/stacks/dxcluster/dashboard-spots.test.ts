import { toCsv } from "../../../../templates/stacks/dxcluster/radio/spots-csv.ts";
import { describe, expect, it } from "vitest";
import {
  bandLevel,
  matches,
  mergeSpots,
  mostSpots,
  type Spot,
} from "../../../../templates/stacks/dxcluster/dashboard/page/spots.ts";

const now = Date.UTC(2026, 10, 21, 12, 0);

function spot(id: number, more: Partial<Spot> = {}): Spot {
  return {
    id,
    timestamp: new Date(now).toISOString(),
    dx_call: "JA1XYZ",
    frequency: "14025.000",
    spotter_call: "DL1ABC",
    comment: "CW",
    mode: "CW",
    signal_report: null,
    grid_square: null,
    band: "20m",
    ...more,
  };
}

describe("the page's spots", () => {
  it("are newest first, each once, and bounded", () => {
    const held = mergeSpots([spot(2), spot(1)], [spot(3), spot(2)]);
    expect(held.map((one) => one.id)).toEqual([3, 2, 1]);
    expect(mergeSpots(held, [spot(3)])).toBe(held);
    const many = mergeSpots(
      [],
      Array.from({ length: mostSpots + 5 }, (_, index) => spot(index)),
    );
    expect(many).toHaveLength(mostSpots);
    expect(many[0]?.id).toBe(mostSpots + 4);
  });

  it("are filtered by band, mode, text and people", () => {
    const all = { band: "", mode: "", text: "", people: false };
    expect(matches(spot(1), all)).toBe(true);
    expect(matches(spot(1), { ...all, band: "40m" })).toBe(false);
    expect(matches(spot(1), { ...all, mode: "SSB" })).toBe(false);
    expect(matches(spot(1), { ...all, text: " ja1 " })).toBe(true);
    expect(matches(spot(1), { ...all, text: "zz" })).toBe(false);
    expect(matches(spot(1, { spotter_call: "W3LPL-#" }), { ...all, people: true })).toBe(false);
  });

  it("tell a band's condition by voice reports of the last half hour", () => {
    const voice = spot(1, { mode: "SSB" });
    const old = new Date(now - 31 * 60_000).toISOString();
    expect(bandLevel([], "20m", now)).toBe("red");
    expect(bandLevel([spot(1)], "20m", now)).toBe("yellow");
    expect(bandLevel([voice], "20m", now)).toBe("yellow");
    expect(bandLevel([voice, spot(2, { mode: "FM" })], "20m", now)).toBe("green");
    expect(bandLevel([voice, spot(2, { mode: "SSB", timestamp: old })], "20m", now)).toBe("yellow");
    expect(bandLevel([voice, voice], "40m", now)).toBe("red");
  });

  it("become CSV that no spreadsheet computes", () => {
    const csv = toCsv([spot(1, { comment: 'say "hi", ok' }), spot(2, { comment: "=1+1" })]);
    expect(csv.split("\r\n")).toHaveLength(4);
    expect(csv).toContain('"say ""hi"", ok"');
    expect(csv).toContain(",'=1+1,");
  });
});
