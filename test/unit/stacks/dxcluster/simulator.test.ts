import { describe, expect, it } from "vitest";
import { parseLine } from "../../../../templates/stacks/dxcluster/radio/parse-line.ts";
import {
  dialects,
  flavours,
  retime,
} from "../../../../templates/stacks/dxcluster/simulator/src/dialects.ts";
import { Traffic } from "../../../../templates/stacks/dxcluster/simulator/src/traffic.ts";

const now = new Date("2026-11-21T12:34:00Z");

describe("the simulator", () => {
  it.each([
    ["DX de N1XX:  7005.0 JA1ABC  cq 0101Z", "DX de N1XX:  7005.0 JA1ABC  cq 1234Z"],
    [
      "DX de N1XX:  7005.0 JA1ABC  0015Z again 2359Z JO31",
      "DX de N1XX:  7005.0 JA1ABC  0015Z again 1234Z JO31",
    ],
    ["WWV de AE5E <18>:   SFI=70, A=5, K=1", "WWV de AE5E <18>:   SFI=70, A=5, K=1"],
    ["no time at all", "no time at all"],
  ])("says a recorded line as if it were now: %s", (line, said) => {
    expect(retime(line, now)).toBe(said);
  });

  it.each(flavours)(
    "makes traffic of %s that the parser reads back, most of it told apart",
    (flavour) => {
      const traffic = new Traffic(5);
      const seen = {
        spots: 0,
        modes: new Set<unknown>(),
        splits: 0,
        grids: 0,
        reports: 0,
        skimmers: 0,
        silent: 0,
      };
      for (let count = 0; count < 2000; count++) {
        const made = traffic.spot();
        const parsed = parseLine(dialects[flavour].spot(made, now, ""), now.getTime());
        expect(parsed).toMatchObject({
          kind: "spot",
          dxCall: made.dx,
          frequency: made.frequency,
          time: now,
        });
        if (parsed.kind !== "spot") continue;
        seen.modes.add(parsed.mode);
        seen.splits += Number(parsed.split !== null);
        seen.grids += Number(parsed.gridSquare !== null);
        seen.reports += Number(parsed.signalReport !== null);
        seen.skimmers += Number(parsed.skimmer);
        seen.silent += Number(parsed.comment === "");
      }
      for (const mode of ["CW", "SSB", "FT8", "RTTY"]) expect(seen.modes).toContain(mode);
      for (const count of [seen.splits, seen.grids, seen.reports, seen.skimmers, seen.silent])
        expect(count).toBeGreaterThan(20);
    },
  );

  it("makes solar announcements and talk that are what they seem", () => {
    const traffic = new Traffic(6);
    const kinds = new Set<string>();
    for (let count = 0; count < 100; count++) {
      const solar = parseLine(traffic.solar(12), now.getTime());
      kinds.add(solar.kind);
      expect(solar).toMatchObject({
        kind: expect.stringMatching(/^w(wv|cy)$/),
        kIndex: expect.any(Number),
      });
      expect(["announcement", "other"]).toContain(parseLine(traffic.chatter(), now.getTime()).kind);
    }
    expect([...kinds].sort()).toEqual(["wcy", "wwv"]);
  });
});
