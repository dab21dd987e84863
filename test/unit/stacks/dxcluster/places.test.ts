import * as fs from "node:fs";
import * as path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  gridCentre,
  PlaceBook,
  placesOf,
  type PrefixRow,
} from "../../../../templates/stacks/dxcluster/api/src/places.ts";

const migrations = path.join(
  import.meta.dirname,
  "../../../../templates/stacks/dxcluster/db/migrations",
);

/** The same that expand_prefixes() does in the database; the lab test compares what comes out. */
function expand(pattern: string): readonly string[] {
  const [, before = "", members = "", after = ""] = /^([^[]*)\[([^\]]*)\](.*)$/.exec(pattern) ?? [];
  if (members === "") return [pattern];
  return [...members.matchAll(/(.)(?:-(.))?/g)].flatMap(([, from = "", to = from]) =>
    Array.from({ length: to.charCodeAt(0) - from.charCodeAt(0) + 1 }, (_, step) =>
      expand(`${before}${String.fromCharCode(from.charCodeAt(0) + step)}${after}`),
    ).flat(),
  );
}

const rows: readonly PrefixRow[] = ["0003_prefixes.sql", "0004_call_areas.sql"].flatMap((file) => {
  const text = fs.readFileSync(path.join(migrations, file), "utf8").split("$entities$")[1] ?? "";
  return text
    .trim()
    .split("\n")
    .flatMap((line) => {
      const [country = "", continent = "", latitude, longitude, patterns = ""] = line.split("|");
      return patterns.split(" ").flatMap((pattern) =>
        expand(pattern).map((prefix) => ({
          prefix,
          country,
          continent,
          latitude: Number(latitude),
          longitude: Number(longitude),
        })),
      );
    });
});
const book = new PlaceBook(rows);

describe("the table of prefixes", () => {
  it("names every prefix once, with a place on Earth", () => {
    expect(new Set(rows.map((row) => row.prefix)).size).toBe(rows.length);
    expect(new Set(rows.map((row) => row.country)).size).toBeGreaterThan(300);
    for (const row of rows) {
      expect(row.prefix, row.country).toMatch(/^[A-Z0-9]{1,6}$/);
      expect(Math.abs(row.latitude), row.country).toBeLessThanOrEqual(90);
      expect(Math.abs(row.longitude), row.country).toBeLessThanOrEqual(180);
    }
  });

  it("has one continent for each country but Italy, whose southern islands are in Africa", () => {
    const continents = new Map<string, Set<string>>();
    for (const { country, continent } of rows)
      continents.set(country, (continents.get(country) ?? new Set()).add(continent));
    expect([...continents].filter(([, found]) => found.size > 1).map(([name]) => name)).toEqual([
      "Italy",
    ]);
  });

  // Every series that the ITU gave to a country begins like one of these.
  it("knows each letter and digit that a call may begin with", () => {
    const firsts = new Set(rows.map((row) => row.prefix.slice(0, 1)));
    for (const first of "ABCDEFGHIJKLMNOPRSTUVWXYZ23456789") expect(firsts, first).toContain(first);
  });
});

describe("the place of a call", () => {
  it.each([
    ["DL1ABC", "Germany"],
    ["dl1abc", "Germany"],
    ["F/DL1ABC", "France"],
    ["DL1ABC/F", "France"],
    ["DL1ABC/P", "Germany"],
    ["DL1ABC/QRP", "Germany"],
    ["W3LPL-#", "United States"],
    ["OH0M-44", "Aland Islands"],
    ["OH2BH", "Finland"],
    ["KH6/W1AW", "Hawaii"],
    ["W1AW/KH6", "Hawaii"],
    ["KG4AB", "Guantanamo Bay"],
    ["KG4ABC", "United States"],
    ["KL7AA", "Alaska"],
    ["VP8LP", "Falkland Islands"],
    ["3DA0RU", "Eswatini"],
    ["3D2AG", "Fiji"],
    ["IS0XYZ", "Sardinia"],
    ["R9FAA", "European Russia"],
    ["UA9AAA", "Asiatic Russia"],
    ["UA2FX", "Kaliningrad"],
    ["UT5UDX", "Ukraine"],
    ["5B4AGN", "Cyprus"],
    ["2E0ABC", "England"],
    ["MM0XYZ", "Scotland"],
    ["EA8BFK", "Canary Islands"],
    ["CT3KN", "Madeira"],
    ["ZL7DX", "Chatham Islands"],
    ["PY0FF", "Fernando de Noronha"],
    ["9M6XRO", "East Malaysia"],
    ["B1Z", "China"],
    ["BV1EL", "Taiwan"],
    ["VK9NS", "Norfolk Island"],
    ["4U1ITU", "ITU Headquarters"],
    ["DL1ABC/4", "Germany"],
  ])("%s is in %s", (call, country) => {
    expect(book.find(call)?.country).toBe(country);
  });

  it.each(["DL1ABC/MM", "DL1ABC/AM", "QQ1ABC", "", "/", "#"])(
    "nobody knows where %j is",
    (call) => {
      expect(book.find(call)).toBeNull();
    },
  );

  it("follows the digit behind the stroke: W1AW/6 is in California", () => {
    expect(book.find("W1AW/6")).toEqual(book.find("W6ABC"));
    expect(book.find("W1AW/6")).not.toEqual(book.find("W1AW"));
  });

  it("never throws, and says the same each time", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (call) => {
        expect(book.find(call)).toEqual(book.find(call));
      }),
    );
  });
});

describe("the centre of a grid square", () => {
  it.each([
    ["JO50", 50.5, 11],
    ["jo50", 50.5, 11],
    ["AA00", -89.5, -179],
    ["RR99", 89.5, 179],
    ["JN58td", 48.15, 11.63],
  ])("of %s", (grid, latitude, longitude) => {
    expect(gridCentre(grid)).toEqual({ latitude, longitude });
  });

  it.each(["", "JO5", "ZZ00", "JO50z", "JO50zz", "J050", null])("%j is none", (grid) => {
    expect(gridCentre(grid)).toBeNull();
  });

  it("counts for more than the prefix, which still names the country", () => {
    const spot = {
      dx_call: "W1AW",
      grid_square: "DM04",
      spotter_call: "DL1ABC/MM",
      spotter_grid: null,
    };
    expect(placesOf(book, spot)).toEqual({
      dx_country: "United States",
      dx_continent: "NA",
      dx_lat: 34.5,
      dx_lon: -119,
      spotter_country: null,
      spotter_continent: null,
      spotter_lat: null,
      spotter_lon: null,
    });
  });
});
