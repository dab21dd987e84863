import { describe, expect, it } from "vitest";
import {
  bearingFrom,
  distanceBetween,
  makePaths,
  type Position,
  subsolarPoint,
} from "../../../../templates/stacks/dxcluster/dashboard/page/paths.ts";
import { makeSpot as spot, now } from "./dashboard-spot.ts";

const berlin: Position = [13.4, 52.52];
const tokyo: Position = [139.69, 35.69];
const located = {
  dx_lat: 36.4,
  dx_lon: 138.38,
  spotter_lat: 51,
  spotter_lon: 10,
};

describe("paths on the map", () => {
  it("are the newest of each pair of stations and band, as many as wanted", () => {
    const spots = [
      spot(5, located),
      spot(4, located),
      spot(3, { ...located, band: "15m" }),
      spot(2, { ...located, dx_call: "JA2ABC" }),
      spot(1, { ...located, dx_call: "JA3ABC" }),
    ];
    const ids = makePaths(spots, 0, 3).map((path) => path.spot.id);
    expect(ids).toEqual([5, 3, 2]);
  });

  it("leave out what is old and what nobody can place", () => {
    const old = new Date(now - 60_000).toISOString();
    expect(makePaths([spot(1, { ...located, timestamp: old })], now - 30_000, 9)).toEqual([]);
    expect(makePaths([spot(1, { ...located, dx_lat: null, dx_lon: null })], 0, 9)).toEqual([]);
    expect(makePaths([spot(1)], 0, 9)).toEqual([]);
  });

  it("take a grid square as it is, and spread the stations of a country around its middle", () => {
    const [exact] = makePaths([spot(1, { ...located, grid_square: "PM96" })], 0, 9);
    expect(exact?.to).toEqual([138.38, 36.4]);
    const spread = makePaths(
      Array.from({ length: 50 }, (_, id) =>
        spot(id, { ...located, dx_call: `JA${id % 10}X${id}` }),
      ),
      0,
      99,
    );
    expect(new Set(spread.map((path) => path.to.join())).size).toBe(50);
    for (const { to } of spread) {
      expect(Math.abs(to[0] - 138.38)).toBeLessThanOrEqual(1.8);
      expect(Math.abs(to[1] - 36.4)).toBeLessThanOrEqual(1.8);
    }
    expect(makePaths([spot(1, located)], 0, 9)[0]?.to).toEqual(
      makePaths([spot(2, located)], 0, 9)[0]?.to,
    );
  });

  it("have the length and direction of the great circle", () => {
    expect(distanceBetween(berlin, tokyo)).toBeCloseTo(8919, -2);
    expect(distanceBetween(berlin, berlin)).toBe(0);
    expect(distanceBetween([0, 0], [180, 0])).toBeCloseTo(20_015, 0);
    expect(distanceBetween([179.5, 0], [-179.5, 0])).toBeCloseTo(111.2, 1);
    expect(bearingFrom(berlin, tokyo)).toBeGreaterThanOrEqual(41);
    expect(bearingFrom(berlin, tokyo)).toBeLessThanOrEqual(43);
    expect(bearingFrom([0, 0], [-10, 0])).toBe(270);
  });
});

describe("the sun", () => {
  // Equinoxes and solstices of 2026 and the equation of time, from almanacs.
  const cases: readonly (readonly [string, number, number])[] = [
    ["2026-03-20T14:46:00Z", -40, 0],
    ["2026-06-21T08:24:00Z", 54.4, 23.4],
    ["2026-12-21T20:50:00Z", -133, -23.4],
    ["2026-11-03T12:00:00Z", -4.1, -15.1],
    ["2000-01-01T12:00:00Z", 0.8, -23],
  ];
  it.each(cases)("at %s is over %d° east, %d° north", (time, east, north) => {
    const [longitude, latitude] = subsolarPoint(Date.parse(time));
    expect(Math.abs(longitude - east)).toBeLessThan(0.9);
    expect(Math.abs(latitude - north)).toBeLessThan(0.5);
  });
});
