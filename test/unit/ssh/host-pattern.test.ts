import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchHostList, matchPattern, matchPatternList } from "../../../src/ssh/host-pattern.ts";

describe("host patterns", () => {
  it.each([
    ["dx?", "dx1", true],
    ["dx?", "dx", false],
    ["dx?", "dx12", false],
    ["*.example.org", "dx1.example.org", true],
    ["*.example.org", "example.org", false],
    ["*.example.org", "a.b.example.org", true],
    ["DX1", "dx1", false],
    ["10.0.*.7", "10.0.3.7", true],
    ["*", "", true],
    ["?", "", false],
    ["a*b*c", "aXXbYYbZc", true],
    ["a.c", "abc", false],
    ["(a|b)+", "(a|b)+", true],
  ])("%s on %s: %s", (pattern, name, matches) => expect(matchPattern(pattern, name)).toBe(matches));

  it("agrees with a regular expression built from the same pattern", () => {
    const symbols = fc.array(fc.constantFrom("a", "b", ".", "*", "?"), { maxLength: 8 });
    const letters = fc.array(fc.constantFrom("a", "b", "."), { maxLength: 10 });
    fc.assert(
      fc.property(symbols, letters, (pattern, name) => {
        const source = pattern
          .map((s) => (s === "*" ? ".*" : s === "?" ? "." : s === "." ? "\\." : s))
          .join("");
        expect(matchPattern(pattern.join(""), name.join(""))).toBe(
          new RegExp(`^${source}$`).test(name.join("")),
        );
      }),
    );
  });

  it("answers at once for patterns that blow up a regular expression", () => {
    expect(matchPattern(`${"*a".repeat(40)}b`, "a".repeat(4000))).toBe(false);
  });

  it("compares host names without case", () => {
    expect(matchHostList(["*.EXAMPLE.org"], "a.b.Example.ORG")).toBe(true);
    expect(matchHostList(["*", "!DX9"], "dx9")).toBe(false);
  });

  it("lets a negated pattern win wherever it stands", () => {
    expect(matchPatternList(["*.example.org", "!dx9.*"], "dx9.example.org")).toBe(false);
    expect(matchPatternList(["!dx9.*", "*.example.org"], "dx9.example.org")).toBe(false);
    expect(matchPatternList(["!dx9.*", "*.example.org"], "dx1.example.org")).toBe(true);
    expect(matchPatternList(["!dx9.*"], "dx1.example.org")).toBe(false);
  });
});
