import { describe, expect, it } from "vitest";
import { backoffSeconds } from "../../../../templates/stacks/dxcluster/scraper/src/backoff.ts";
import {
  ConfigError,
  parseAddress,
  parseSettingsFile,
  readConfig,
} from "../../../../templates/stacks/dxcluster/scraper/src/config.ts";
import {
  isAlive,
  type LivenessFacts,
} from "../../../../templates/stacks/dxcluster/scraper/src/liveness.ts";

const least = { DX_NODES: "dx.example.net:7300", DX_CALLSIGN: "n0call" };

describe("readConfig", () => {
  it("needs only nodes and a callsign", () => {
    expect(readConfig(least, {}, null)).toMatchObject({
      nodes: [[{ host: "dx.example.net", port: 7300 }]],
      catchUp: 100,
      callsign: "N0CALL",
      stateDirectory: "/var/lib/dx-scraper",
      keepMonths: 0,
      metrics: null,
      watchdog: null,
    });
  });

  it("prefers the environment to the file, and takes systemd's directory and watchdog", () => {
    const file = parseSettingsFile(
      '# comment\nDX_CALLSIGN=K1ABC\nDX_NODES = "a:1, [2001:db8::1]:2|b c"\nDX_KEEP_MONTHS=3\nnonsense\n',
    );
    const config = readConfig(
      {
        DX_CALLSIGN: "DL1ABC",
        STATE_DIRECTORY: "/var/lib/dx-scraper-x:/other",
        WATCHDOG_USEC: "60000000",
      },
      file,
      "secret",
    );
    expect(config).toMatchObject({
      callsign: "DL1ABC",
      keepMonths: 3,
      nodes: [
        [{ host: "a", port: 1 }],
        [
          { host: "2001:db8::1", port: 2 },
          { host: "b", port: 7300 },
        ],
        [{ host: "c", port: 7300 }],
      ],
      stateDirectory: "/var/lib/dx-scraper-x",
      watchdog: 60,
      keepalive: 15,
      password: "secret",
    });
  });

  it("says every problem at once", () => {
    const act = (): unknown =>
      readConfig(
        { DX_NODES: "a:99999", DX_CALLSIGN: "nobody", DX_KEEP_MONTHS: "-1", DX_METRICS: "x y" },
        {},
        null,
      );
    expect(act).toThrow(ConfigError);
    expect(act).toThrow(
      /DX_NODES[^]*DX_CALLSIGN[^]*DX_METRICS[^]*DX_KEEP_MONTHS|DX_NODES[^]*DX_CALLSIGN[^]*DX_KEEP_MONTHS|DX_NODES[^]*DX_CALLSIGN/,
    );
    try {
      act();
    } catch (error) {
      expect(String(error).split("\n")).toHaveLength(4);
    }
  });

  it.each(["", ":7300", "a:0", "a:b", "[zz]:1", "a b"])("refuses the address %j", (text) => {
    expect(parseAddress(text, 7300)).toBeNull();
  });
});

describe("backoffSeconds", () => {
  it("doubles to its limit and stays in the upper half", () => {
    expect([0, 1, 2, 3, 9, 1000].map((attempt) => backoffSeconds(attempt, 30, 1))).toEqual([
      1, 2, 4, 8, 30, 30,
    ]);
    expect([0, 1, 9].map((attempt) => backoffSeconds(attempt, 30, 0))).toEqual([0.5, 1, 15]);
  });
});

describe("isAlive", () => {
  const fine: LivenessFacts = { now: 1000, started: 0, heard: 990, unreachable: null, writer: 995 };
  it.each<[string, Partial<LivenessFacts>, boolean]>([
    ["hears and writes", {}, true],
    ["connected and silent for half the watchdog time", { heard: 969 }, false],
    ["quiet for less than that", { heard: 971 }, true],
    ["never heard anything since a start just now", { heard: null, started: 980 }, true],
    ["never heard anything", { heard: null, started: 900 }, false],
    ["the network is away", { heard: 900, unreachable: 980 }, true],
    ["the network is away for very long", { heard: 300, unreachable: 980 }, false],
    ["the writer hangs", { writer: 930 }, false],
  ])("%s", (_what, facts, alive) => {
    expect(isAlive({ ...fine, ...facts }, 60)).toBe(alive);
  });
});
