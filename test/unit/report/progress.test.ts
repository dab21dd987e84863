import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import type { RunManifest } from "../../../src/plan/bundle.ts";
import type { RunEvent } from "../../../src/plan/events.ts";
import { makeColors } from "../../../src/report/colors.ts";
import { createProgress, renderRegion } from "../../../src/report/progress.ts";
import { newTrack, trackEvent } from "../../../src/report/track.ts";

const colors = makeColors({ isTTY: false }, {});
const run: RunManifest = {
  runId: "r1",
  stack: "s",
  host: "dx1",
  holder: "ann@laptop",
  changes: [
    { id: "packages:apt", action: "create", because: "", steps: ["install caddy"] },
    {
      id: "nftables:inet hostkit",
      action: "update",
      because: "",
      steps: ["check the rules", "load the rules"],
    },
  ],
};
const events: readonly RunEvent[] = [
  { time: 100, event: "start" },
  { time: 100.5, event: "step", change: 1, step: 1, state: "started" },
  { time: 145, event: "step", change: 1, step: 1, state: "ok" },
  { time: 145, event: "change", change: 1, state: "ok" },
  { time: 145, event: "step", change: 2, step: 0, state: "failed", code: 3 },
  { time: 145.1, event: "step", change: 2, step: 1, state: "started" },
  { time: 145.2, event: "step", change: 2, step: 2, state: "started" },
  { time: 146, event: "confirm", change: 2, seconds: 30 },
  { time: 176, event: "reverted", state: "back", change: 2 },
  { time: 176, event: "end", state: "reverted" },
];

async function show(
  kind: "lines" | "json" | "live",
  hide = (text: string) => text,
): Promise<string> {
  const stream = new PassThrough();
  const progress = await createProgress({ kind, stream, colors, hide, clock: () => 0 });
  for (const event of events) progress.event("dx1", event, run);
  progress.notice("dx1", "the connection was lost");
  progress.stop();
  return String(stream.read());
}

describe("createProgress", () => {
  test("one line an event, without a terminal", async () => {
    expect(await show("lines")).toBe(`\
dx1    0.0 s  start    run r1, 2 changes
dx1    0.5 s  started  packages:apt: install caddy
dx1     45 s  ok       packages:apt: install caddy
dx1     45 s  done     packages:apt (1 of 2)
dx1     45 s  failed   nftables:inet hostkit: prepare it (exit 3)
dx1     45 s  started  nftables:inet hostkit: check the rules
dx1     45 s  started  nftables:inet hostkit: load the rules
dx1     46 s  confirm  nftables:inet hostkit: waits 30 s for a word over a new connection
dx1 1 min 16 s  reverted nftables:inet hostkit: the host put the old state back
dx1 1 min 16 s  end      reverted
dx1: the connection was lost
`);
  });

  test("one JSON object an event, with --json", async () => {
    const lines = (await show("json"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(events.length + 1);
    expect(lines[1]).toEqual({
      ...{
        host: "dx1",
        run: "r1",
        time: 100.5,
        event: "step",
        change: 1,
        step: 1,
        state: "started",
      },
      ...{ id: "packages:apt", title: "install caddy" },
    });
    expect(lines.at(-1)).toEqual({
      host: "dx1",
      event: "notice",
      message: "the connection was lost",
    });
  });

  test("on a terminal what is done stays, and nothing of the region is left", async () => {
    const text = await show("live");
    expect(text).toContain("✓ packages:apt  create, 45 s\n");
    expect(text).toContain("✗ nftables:inet hostkit  prepare it (exit 3)\n");
    expect(text).toContain("↶ nftables:inet hostkit  the host put the old state back\n");
    expect(text).toContain("! dx1: the connection was lost\n");
  });

  test.each(["lines", "json", "live"] as const)(
    "%s passes everything through the redactor",
    async (kind) => {
      expect(await show(kind, (text) => text.replaceAll("caddy", "[secret]"))).not.toContain(
        "caddy",
      );
    },
  );
});

describe("renderRegion", () => {
  const track = events
    .slice(0, 3)
    .reduce((before, event) => trackEvent(before, event, run), newTrack("dx1", 2));

  test("shows every step that goes on, with its time", () => {
    expect(renderRegion([{ track, elapsed: 160.5 }], "*", colors, 80)).toBe(
      "* packages:apt  install caddy  1 min\n  0 of 2 done, 1 min 1 s",
    );
  });

  test("several hosts are told apart", () => {
    const other = { track: { ...track, host: "dx2", running: new Map() }, elapsed: 100 };
    expect(renderRegion([{ track, elapsed: 101 }, other], "*", colors, 80)).toBe(
      "* dx1 packages:apt  install caddy  0.5 s\n  dx1 0 of 2 done, 1.0 s\n  dx2 0 of 2 done, 0.0 s",
    );
  });

  test.each([20, 30, 40, 200])("no line is wider than the terminal: %i", (width) => {
    const title = "a very long title that goes on and on ".repeat(3);
    const wide = {
      ...track,
      running: new Map([[1, { id: `file:/${"x".repeat(60)}`, title, since: 0 }]]),
    };
    for (const line of renderRegion([{ track: wide, elapsed: 5 }], "*", colors, width).split(
      "\n",
    )) {
      expect(line.length).toBeLessThanOrEqual(width);
    }
  });
});
