import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { choosePrefix, choosePrefix6, renderMasquerade } from "../../../src/lab/network.ts";

describe("the lab's network", () => {
  test("differs from lab to lab and avoids the machine's routes", () => {
    const first = choosePrefix("000000", []);
    expect(first).toBe("10.83.1");
    expect(choosePrefix("050000", [])).toBe("10.83.6");
    expect(choosePrefix("000000", ["10.83.1.0/24", "default"])).toBe("10.83.2");
    expect(choosePrefix("000000", ["10.83.0.0/22"])).toBe("10.83.4");
    expect(choosePrefix("000000", ["10.83.1.77"])).toBe("10.83.2");
    expect(choosePrefix("000000", ["0.0.0.0/0", "fd00::/64", "10.84.0.0/16"])).toBe("10.83.1");
  });

  test("is refused when everything is taken", () => {
    expect(choosePrefix("000000", ["10.0.0.0/8"])).toBeUndefined();
  });

  test("never overlaps a route, whatever the routes are", () => {
    const route = fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 17, max: 32 }))
      .map(([third, length]) => ({ third, length, text: `10.83.${third}.0/${length}` }));
    fc.assert(
      fc.property(fc.array(route, { maxLength: 40 }), (routes) => {
        const prefix = choosePrefix(
          "a1b2c3",
          routes.map(({ text }) => text),
        );
        if (prefix === undefined) return;
        const third = Number(prefix.split(".")[2]);
        for (const { third: start, length } of routes) {
          const size = length >= 24 ? 1 : 2 ** (24 - length);
          const from = start - (start % size);
          expect(third < from || third >= from + size).toBe(true);
        }
      }),
    );
  });

  test("has an IPv6 prefix without leading zeros, as ip prints it", () => {
    expect(choosePrefix6("0a0b0c")).toBe("fd68:6b00:1a0b:1b0c");
    expect(choosePrefix6("000000")).toBe("fd68:6b00:1000:1000");
    expect(choosePrefix6("ffffff")).toBe("fd68:6b00:ffff:ffff");
  });

  test("masquerades only what leaves the bridge, in a table of its own", () => {
    const rules = renderMasquerade({
      bridge: "hklab-0a0b0c",
      table: "hostkit_lab_0a0b0c",
      prefix: "10.83.9",
      prefix6: "fd68:6b00:1:2",
      mtu: 1500,
      outside6: false,
    });
    expect(rules).toContain('ip saddr 10.83.9.0/24 oifname != "hklab-0a0b0c" masquerade');
    expect(rules.match(/table inet (\S+)/g)).toEqual(
      Array(3).fill("table inet hostkit_lab_0a0b0c"),
    );
    expect(rules).not.toContain("flush");
  });
});
