import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BadRequest,
  readParameters,
  toJsonSchema,
} from "../../../../templates/stacks/dxcluster/api/src/parameters.ts";
import {
  countQuery,
  type Matching,
  pageQuery,
} from "../../../../templates/stacks/dxcluster/api/src/queries.ts";
import {
  spotsParameters,
  type SpotsWanted,
  topParameters,
  withOrder,
} from "../../../../templates/stacks/dxcluster/api/src/requests.ts";

function read(query: Readonly<Record<string, unknown>>): SpotsWanted {
  return withOrder(readParameters(spotsParameters, query));
}

describe("the parameters of /api/spots", () => {
  it("have the defaults users know", () => {
    expect(readParameters(spotsParameters, {})).toEqual({
      limit: 100,
      offset: 0,
      order_by: "timestamp DESC",
      format: "json",
    });
  });

  it("lowers a limit above the maximum, and takes an empty value for none", () => {
    expect(readParameters(spotsParameters, { limit: "5000", band: "" })).toEqual({
      limit: 1000,
      offset: 0,
      order_by: "timestamp DESC",
      format: "json",
    });
  });

  it.each([
    ["foo", "1", /Invalid parameters: foo\. Allowed: limit, offset/],
    ["limit", "0", /limit must be a whole number from 1 to 1000/],
    ["limit", "ten", /limit must be/],
    ["limit", "1e3", /limit must be/],
    ["offset", "-1", /offset must be/],
    ["frequency_min", "14,0", /frequency_min must be a number/],
    ["frequency_min", "Infinity", /frequency_min must be a number/],
    ["since", "yesterday", /since must be an ISO time/],
    ["since", "2026-02-31T00:00:00Z", /since must be an ISO time/],
    ["dx_call", "x".repeat(30), /dx_call is longer than 20/],
    ["comment_contains", "a\u0000b", /comment_contains holds control characters/],
    ["order_by", "comment", /order_by must be one of/],
    ["order_by", "timestamp; drop table dx_spots", /order_by must be one of/],
    ["__proto__x", "1", /Invalid parameters/],
  ])("refuse %s=%j", (name, value, message) => {
    expect(() => readParameters(spotsParameters, { [name]: value })).toThrow(message);
  });

  it("refuse a parameter given twice", () => {
    expect(() => readParameters(spotsParameters, { band: ["20m", "40m"] })).toThrow(
      /band is given more than once/,
    );
  });

  it("name every problem at once", () => {
    expect(() => readParameters(topParameters, { limit: "x", hours: "y", what: "z" })).toThrow(
      /what.*limit.*hours/,
    );
  });

  it.each([
    ["2026-11-21", "2026-11-21T00:00:00.000Z"],
    ["2026-11-21T14:00:00Z", "2026-11-21T14:00:00.000Z"],
    ["2026-11-21T14:00:00", "2026-11-21T14:00:00.000Z"],
    ["2026-11-21T14:00:00.250000+01:00", "2026-11-21T13:00:00.250Z"],
    // A plus sign that was not percent-encoded arrives as a blank.
    ["2026-11-21T14:00:00 01:00", "2026-11-21T13:00:00.000Z"],
  ])("read the time %s", (text, time) => {
    expect(readParameters(spotsParameters, { since: text }).since?.toISOString()).toBe(time);
  });

  it("never let a value into the SQL text", () => {
    const query = fc.record(
      {
        dx_call: fc.string(),
        band: fc.string(),
        mode: fc.string(),
        comment_contains: fc.string(),
        grid_square: fc.string(),
        order_by: fc.constantFrom(
          "timestamp DESC",
          "frequency",
          "dx_call desc",
          "spotter_call ASC",
        ),
      },
      { requiredKeys: [] },
    );
    const known = /^[\w\s$().,<>=:*+-]+$/;
    const cursor = fc.option(fc.record({ value: fc.string(), at: fc.nat(), id: fc.nat() }));
    fc.assert(
      fc.property(query, cursor, (given, end) => {
        let wanted;
        try {
          wanted = read(given);
        } catch (error) {
          expect(error).toBeInstanceOf(BadRequest);
          return;
        }
        const place = end && { ...end, order: wanted.order };
        for (const { text, values } of [
          pageQuery(wanted, {}, place, 101, wanted.offset),
          countQuery(wanted, {}, 10_001),
        ]) {
          expect(text).toMatch(known);
          // Every placeholder has its value.
          const used = [...text.matchAll(/\$(\d+)/g)].map((match) => Number(match[1]));
          expect(new Set(used)).toEqual(new Set(values.map((_, index) => index + 1)));
        }
      }),
    );
  });

  it("name the stations where they are known, and look for the part where they are too many", () => {
    const wanted = read({ dx_call: "ja1", spotter_call: "dl" });
    const dx = { values: ["JA1XYZ", "JA1ABC"], spots: 7 };
    const page = pageQuery(wanted, { dx }, null, 101, 0);
    expect(page.text).toContain("dx_call = any($1) and spotter_call like $2");
    expect(page.values).toEqual([["JA1XYZ", "JA1ABC"], "%DL%"]);
  });

  it("keep their plan where one index says all, and only there", () => {
    const nameOf = (query: Record<string, string>, matching: Matching = {}): string | undefined => {
      const wanted = read(query);
      const { name, text } = pageQuery(wanted, matching, null, 101, wanted.offset);
      if (name !== undefined) expect(text).not.toContain("like");
      return name;
    };
    const calls = (...values: string[]): Matching => ({ dx: { values, spots: 1 } });
    expect(nameOf({})).toBe("page DESC 101 ");
    expect(nameOf({ band: "20m", since: "2026-01-01" })).toBe("page DESC 101 band= >=");
    expect(nameOf({ dx_call: "dl1" }, calls("DL1ABC"))).toBe("page DESC 101 dx_call=");
    expect(nameOf({ dx_call: "dl1" }, calls("DL1ABC", "DL1XYZ"))).toBe(
      "page DESC 101 dx_call=any()",
    );
    expect(nameOf({ dx_call: "dl1" }, calls(..."ABCDEFGHI"))).toBeUndefined();
    expect(nameOf({ dx_call: "d" })).toBeUndefined();
    expect(nameOf({ band: "20m", mode: "CW" }, { modes: ["CW"] })).toBe(
      "page DESC 101 band= mode=",
    );
    expect(nameOf({ band: "20m", mode: "FT" }, { modes: ["FT4", "FT8"] })).toBeUndefined();
    expect(nameOf({ comment_contains: "73" })).toBeUndefined();
    expect(nameOf({ frequency_min: "14000" })).toBeUndefined();
    expect(nameOf({ offset: "100" })).toBeUndefined();
    expect(nameOf({ order_by: "frequency" })).toBeUndefined();
  });

  it("take the signs of LIKE literally", () => {
    expect(pageQuery(read({ comment_contains: "100%_\\" }), {}, null, 101, 0).values[0]).toBe(
      "%100\\%\\_\\\\%",
    );
  });

  it("walk a band in order of frequency within its edges", () => {
    const page = pageQuery(read({ band: "20m", order_by: "frequency" }), {}, null, 101, 0);
    expect(page.values).toEqual(["20m", 14000, 14350]);
  });

  it("are described for OpenAPI by the same table", () => {
    expect(toJsonSchema(spotsParameters)).toMatchObject({
      limit: { type: "integer", minimum: 1, maximum: 1000, default: 100 },
      since: { format: "date-time" },
    });
  });
});
