import { describe, expect, test } from "vitest";
import { findMirrors, renderSources } from "../../../src/lab/apt-sources.ts";

const deb822 = `Types: deb
# a comment between fields
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb deb-src
URIs: http://mirror.example/security
Suites:
 bookworm-security
Components: main
`;

describe("the machine's own mirrors", () => {
  test("are found in deb822 sources", () => {
    expect(findMirrors([deb822], "bookworm")).toEqual({
      main: "http://mirror.example/debian",
      security: "http://mirror.example/security",
    });
  });

  test("are found in one-line sources, with options", () => {
    const lines = `# deb http://old.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian bookworm main contrib
deb https://mirror.example/security bookworm-security main`;
    expect(findMirrors([lines], "bookworm")).toEqual({
      main: "https://mirror.example/debian",
      security: "https://mirror.example/security",
    });
  });

  test("are not taken from foreign, disabled or unreachable sources", () => {
    const foreign = "deb https://vendor.example/apt stable main";
    const disabled = deb822.replaceAll("Types: deb", "Enabled: no\nTypes: deb");
    const list = deb822.replaceAll("http://", "mirror+file:/etc/apt/mirrors/");
    expect(findMirrors([foreign, disabled, list], "bookworm")).toBeUndefined();
  });

  test("need the security suite too", () => {
    expect(
      findMirrors(["deb http://mirror.example/debian bookworm main"], "bookworm"),
    ).toBeUndefined();
  });

  test("are written for another release", () => {
    const mirrors = { main: "http://m.example/debian", security: "http://m.example/security" };
    const text = renderSources(mirrors, "trixie");
    expect(text).toContain("Suites: trixie trixie-updates\n");
    expect(text).toContain("URIs: http://m.example/security\nSuites: trixie-security\n");
    expect(findMirrors([text], "trixie")).toEqual(mirrors);
  });
});
