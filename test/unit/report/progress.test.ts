import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import type { RunManifest } from "../../../src/plan/bundle.ts";
import type { RunEvent } from "../../../src/plan/events.ts";
import { makeColors } from "../../../src/report/colors.ts";
import { renderRegion } from "../../../src/report/live.ts";
import { createProgress } from "../../../src/report/progress.ts";
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
    expect(text).toContain("✓ packages:apt           45 s\n");
    expect(text).toContain("· nftables:inet hostkit  not done\n");
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
  const area = { width: 80, height: 23 };
  const stack: RunManifest = {
    ...run,
    changes: [
      ["packages:apt", "host", "install caddy"],
      ["file:/etc/a", "host", "write /etc/a"],
      ["user:s-api", "api", "make the user"],
      ["release:api", "api", "start s-api-a.service and wait until healthy"],
      ["caddy:/etc/caddy/Caddyfile", "proxy", "reload Caddy with it"],
    ].map(([id = "", heading = "", step = ""]) => ({
      id: id as RunManifest["changes"][number]["id"],
      heading,
      action: "create",
      because: "",
      steps: [step],
    })),
  };
  const step = (time: number, change: number): RunEvent => ({
    ...{ time, event: "step", change, step: 1, state: "started" },
  });
  const done = (time: number, change: number): RunEvent => ({
    ...{ time, event: "change", change, state: "ok" },
  });
  const follow = (host: string, ...seen: RunEvent[]) =>
    [{ time: 100, event: "start" } as const, ...seen].reduce(
      (before, event) => trackEvent(before, event, stack),
      newTrack(host, stack),
    );
  const going = follow("dx1", step(100, 1), step(101, 2), done(101.5, 2), step(102, 4));

  test("each heading is a line that fills up, with the step that has gone on for longest", () => {
    expect(renderRegion([{ track: going, elapsed: 160 }], "*", colors, area)).toBe(`\
* host   1 of 2  packages:apt  install caddy  1 min
* api    0 of 2  release:api  start s-api-a.service and wait until healthy  58 s
  proxy  0 of 1
  1 of 5 done, 1 min`);
  });

  test("of two steps under one heading the slower is named, and its last line", () => {
    const both = follow("dx1", step(100, 3), step(104, 4), {
      ...{ time: 130, event: "waiting", change: 3, step: 1, seconds: 30, line: "still asking" },
    });
    expect(renderRegion([{ track: both, elapsed: 131 }], "*", colors, area)).toContain(
      "* api    0 of 2  user:s-api  make the user: still asking  31 s\n",
    );
  });

  test("a heading that is done is no longer there", () => {
    const over = follow("dx1", step(100, 5), done(101, 5));
    expect(renderRegion([{ track: over, elapsed: 101 }], "*", colors, area)).not.toContain("proxy");
  });

  test("a run of an older hostkit has a line for each change", () => {
    const { changes } = stack;
    const old = { ...stack, changes: changes.map(({ heading: _heading, ...rest }) => rest) };
    expect(newTrack("dx1", old).headings.map(({ heading }) => heading)).toEqual(
      changes.map(({ id }) => id),
    );
  });

  test("several hosts are told apart", () => {
    const shown = ["dx1", "dx2"].map((host) => ({
      track: follow(host, step(100, 5)),
      elapsed: 101,
    }));
    const text = renderRegion(shown, "*", colors, area);
    expect(text).toContain("* dx1 proxy  0 of 1  caddy:");
    expect(text).toContain("  dx2 api    0 of 2\n");
    expect(text).toContain("  dx2 0 of 5 done, 1.0 s");
  });

  test.each([1, 2, 3, 4])("never more than %i lines; what goes on comes first", (height) => {
    const text = renderRegion([{ track: going, elapsed: 160 }], "*", colors, { ...area, height });
    expect(text.split("\n").length).toBeLessThanOrEqual(height);
    expect(text).toContain("packages:apt");
    expect(text.includes("proxy")).toBe(height === 4);
  });

  test.each([20, 30, 40, 200])("no line is wider than the terminal: %i", (width) => {
    const title = "a very long title that goes on and on ".repeat(3);
    const wide = {
      ...going,
      running: new Map([[1, { id: `file:/${"x".repeat(60)}`, title, since: 0 }]]),
    };
    const text = renderRegion([{ track: wide, elapsed: 5 }], "*", colors, { ...area, width });
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(width);
  });

  test("a heading that is done stays as a line, with what was slowest under it", async () => {
    const stream = new PassThrough();
    const progress = await createProgress({
      ...{ kind: "live", stream, colors, hide: (text: string) => text, clock: () => 0 },
    });
    const seen = [step(100, 1), step(101, 2), done(101.5, 2), done(145, 1), step(145, 4)];
    for (const event of seen) progress.event("dx1", event, stack);
    progress.event("dx1", { time: 146, event: "end", state: "failed" }, stack);
    progress.stop();
    const text = String(stream.read());
    expect(text).toContain("✓ host   2 of 2  45 s; slowest: packages:apt, 45 s\n");
    expect(text).toContain("· api    0 of 2  not done\n");
  });
});
