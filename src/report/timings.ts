import type { RunManifest } from "../plan/bundle.ts";
import type { RunEvent } from "../plan/events.ts";
import type { Colors } from "./colors.ts";
import { idOf, titleOf } from "./track.ts";

/** One thing that took time. */
export interface Span {
  /** Name of the host it was done for; "" for what is done once. */
  readonly host: string;
  readonly what: string;
  /** Milliseconds since the program was started, and until it was over. */
  readonly start: number;
  readonly end: number;
  /** Steps of a run: number of their change, from 1. */
  readonly change?: number;
}

/** Takes down what happens when; the clock is the caller's. */
export interface Timings {
  readonly spans: readonly Span[];
  /** Something begins; call the answer when it is over. */
  begin(host: string, what: string): () => void;
  add(...spans: readonly Span[]): void;
}

/** @param clock milliseconds since the program was started */
export function createTimings(clock: () => number): Timings {
  const spans: Span[] = [];
  return {
    spans,
    begin(host, what) {
      const start = clock();
      let isOver = false;
      return () => {
        if (!isOver) spans.push({ host, what, start, end: clock() });
        isOver = true;
      };
    },
    add: (...more) => void spans.push(...more),
  };
}

/**
 * The steps of a run from its own events. The host's clock says how long each took; the end of the last event is laid on the
 * moment at which the controller read it.
 * @param readAt milliseconds on the controller's clock at which the last of the events was read
 */
export function spansOfRun(
  host: string,
  events: readonly RunEvent[],
  run: RunManifest,
  readAt: number,
): Span[] {
  const last = events.findLast(({ time }) => time > 0);
  if (last === undefined) return [];
  const local = (time: number): number => readAt - (last.time - time) * 1000;
  const began = new Map<number, number>();
  const spans: Span[] = [];
  for (const event of events) {
    if (event.event !== "step") continue;
    if (event.state === "started") {
      began.set(event.change, event.time);
      continue;
    }
    const start = local(began.get(event.change) ?? event.time);
    const what = `${idOf(run, event.change)}: ${titleOf(run, event.change, event.step)}`;
    spans.push({ host, what, start, end: local(event.time), change: event.change });
  }
  return spans;
}

const barWidth = 40;
const nameWidth = 34;

/**
 * A waterfall for a terminal or a file: one line a span, its bar where it stands in the whole.
 * @param width columns; names are cut, bars never
 */
export function renderTimings(spans: readonly Span[], width: number, colors: Colors): string {
  const sorted = sortSpans(spans);
  const whole = Math.max(1, ...sorted.map(({ end }) => end));
  const hosts = new Set(sorted.map(({ host }) => host));
  const prefixWidth = hosts.size > 2 ? Math.max(...[...hosts].map((host) => host.length)) + 1 : 0;
  const room = Math.max(16, Math.min(72, width - barWidth - prefixWidth - 14));
  const names = Math.min(room, Math.max(nameWidth, ...sorted.map(({ what }) => what.length)));
  const lines = sorted.map(({ host, what, start, end, change }) => {
    const from = Math.min(barWidth - 1, Math.floor((start / whole) * barWidth));
    const length = Math.max(1, Math.round(((end - start) / whole) * barWidth));
    const bar = (length === 1 ? "▏" : "█".repeat(Math.min(length, barWidth - from))).padEnd(
      barWidth - from,
    );
    const name = `${change === undefined ? "" : "  "}${what}`;
    const shown = name.length > names ? `${name.slice(0, names - 1)}…` : name.padEnd(names);
    const paint = change !== undefined ? colors.yellow : host === "" ? colors.cyan : colors.green;
    return `${host.padEnd(prefixWidth).slice(0, prefixWidth)}${shown} ${" ".repeat(from)}${paint(bar)} ${formatMs(end - start)}`;
  });
  return [
    ...lines,
    `${"in all".padEnd(prefixWidth + names + barWidth + 1)} ${formatMs(whole)}`,
  ].join("\n");
}

/** `  1.2 s`, ` 120 ms`, `0.4 ms` */
function formatMs(ms: number): string {
  const text =
    ms >= 9950
      ? `${Math.round(ms / 1000)} s`
      : ms >= 995
        ? `${(ms / 1000).toFixed(2)} s`
        : ms >= 9.95
          ? `${Math.round(ms)} ms`
          : `${ms.toFixed(1)} ms`;
  return text.padStart(8);
}

function sortSpans(spans: readonly Span[]): Span[] {
  return [...spans].sort((a, b) => a.start - b.start || b.end - a.end);
}

interface TraceEvent {
  readonly name: string;
  readonly ph: "X" | "M";
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

/**
 * The same for chrome://tracing and Perfetto ("Trace Event Format", complete events): the controller and each host are a
 * process, and so that no two bars of one row overlap, things done at once are threads of it.
 */
export function describeTrace(spans: readonly Span[]): {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: "ms";
} {
  const events: TraceEvent[] = [];
  const rows = new Map<string, { readonly pid: number; readonly busyUntil: number[] }>();
  for (const { host, what, start, end, change } of sortSpans(spans)) {
    let row = rows.get(host);
    if (row === undefined) {
      row = { pid: rows.size + 1, busyUntil: [] };
      rows.set(host, row);
      const name = host === "" ? "hostkit" : host;
      events.push({ name: "process_name", ph: "M", pid: row.pid, tid: 0, args: { name } });
    }
    const free = row.busyUntil.findIndex((until) => until <= start);
    const tid = free < 0 ? row.busyUntil.length : free;
    row.busyUntil[tid] = end;
    const micro = (ms: number): number => Math.round(ms * 1000);
    events.push({
      name: what,
      ph: "X",
      pid: row.pid,
      tid,
      ts: micro(start),
      dur: micro(end) - micro(start),
      cat: change !== undefined ? "step" : host === "" ? "controller" : "host",
      ...(change === undefined ? {} : { args: { change } }),
    });
  }
  return { traceEvents: events, displayTimeUnit: "ms" };
}
