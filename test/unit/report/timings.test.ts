import { describe, expect, test } from "vitest";
import type { RunManifest } from "../../../src/plan/bundle.ts";
import type { RunEvent } from "../../../src/plan/events.ts";
import { makeColors } from "../../../src/report/colors.ts";
import {
  createTimings,
  describeTrace,
  renderTimings,
  type Span,
  spansOfRun,
} from "../../../src/report/timings.ts";

const plain = makeColors({}, {}, false);
const run = {
  runId: "r",
  changes: [
    { id: "file:/a", action: "create", because: "", steps: ["write /a", "reload"] },
    { id: "unit:b.service", action: "restart", because: "", steps: ["restart b.service"] },
  ],
} as unknown as RunManifest;

describe("timings", () => {
  test("what begins and ends is taken down with the caller's clock, once", () => {
    let now = 5;
    const timings = createTimings(() => now);
    const over = timings.begin("dx1", "probe");
    now = 30;
    over();
    now = 99;
    over();
    timings.begin("dx1", "never over");
    expect(timings.spans).toEqual([{ host: "dx1", what: "probe", start: 5, end: 30 }]);
  });

  test("steps take as long as the host says, and end when the controller heard of the end", () => {
    const events: RunEvent[] = [
      { time: 100, event: "start" },
      { time: 100.5, event: "step", change: 1, step: 1, state: "started" },
      { time: 100.75, event: "step", change: 2, step: 1, state: "started" },
      { time: 101, event: "step", change: 1, step: 1, state: "ok" },
      { time: 101, event: "step", change: 1, step: 2, state: "started" },
      { time: 102, event: "step", change: 2, step: 1, state: "failed", code: 1 },
      { time: 102.5, event: "step", change: 1, step: 2, state: "ok" },
      { time: 103, event: "end", state: "failed" },
    ];
    expect(spansOfRun("dx1", events, run, 10_000)).toEqual([
      { host: "dx1", what: "file:/a: write /a", start: 7500, end: 8000, change: 1 },
      { host: "dx1", what: "unit:b.service: restart b.service", start: 7750, end: 9000, change: 2 },
      { host: "dx1", what: "file:/a: reload", start: 8000, end: 9500, change: 1 },
    ]);
    expect(spansOfRun("dx1", [{ time: 0, event: "lost" }], run, 10_000)).toEqual([]);
  });

  const spans: readonly Span[] = [
    { host: "dx1", what: "probe", start: 500, end: 900 },
    { host: "", what: "start", start: 0, end: 100 },
    { host: "dx1", what: "log in", start: 300.25, end: 500 },
    { host: "dx1", what: "file:/a: write /a", start: 600, end: 604, change: 1 },
  ];

  test("the waterfall is sorted by time, and bars stand where things happened", () => {
    expect(renderTimings(spans, 100, plain).split("\n")).toEqual([
      "start                              ████                                       100 ms",
      "log in                                          █████████                     200 ms",
      "probe                                                    ██████████████████   400 ms",
      "  file:/a: write /a                                          ▏                4.0 ms",
      "in all                                                                        900 ms",
    ]);
  });

  test("with several hosts each line says whose it is; long names are cut", () => {
    const many = [...spans, { host: "dx22", what: "x".repeat(200), start: 0, end: 12_345 }];
    const lines = renderTimings(many, 100, plain).split("\n");
    expect(lines.every((line) => line.length <= 100)).toBe(true);
    expect(lines[0]).toMatch(/^dx22 x+… █{40} +12 s$/);
    expect(lines.find((line) => line.includes("probe"))).toMatch(/^dx1  probe/);
  });

  test("the trace: a process for each host, and nothing overlaps within a thread", () => {
    const { traceEvents } = describeTrace(spans);
    expect(traceEvents.filter(({ ph }) => ph === "M")).toEqual([
      { name: "process_name", ph: "M", pid: 1, tid: 0, args: { name: "hostkit" } },
      { name: "process_name", ph: "M", pid: 2, tid: 0, args: { name: "dx1" } },
    ]);
    expect(traceEvents.filter(({ ph }) => ph === "X")).toEqual([
      { name: "start", ph: "X", pid: 1, tid: 0, ts: 0, dur: 100_000, cat: "controller" },
      { name: "log in", ph: "X", pid: 2, tid: 0, ts: 300_250, dur: 199_750, cat: "host" },
      { name: "probe", ph: "X", pid: 2, tid: 0, ts: 500_000, dur: 400_000, cat: "host" },
      {
        name: "file:/a: write /a",
        ph: "X",
        pid: 2,
        tid: 1,
        ts: 600_000,
        dur: 4000,
        cat: "step",
        args: { change: 1 },
      },
    ]);
  });
});
