import type { RunManifest } from "../plan/bundle.ts";
import type { RunEvent } from "../plan/events.ts";

/** A step that is going on. */
export interface RunningStep {
  readonly id: string;
  readonly title: string;
  /** Seconds on the host's clock. */
  readonly since: number;
  /** The last line it wrote; of a step that goes on for long. */
  readonly line?: string;
}

/** The changes of a run under one heading. */
export interface TrackedHeading {
  readonly heading: string;
  /** Numbers of its changes. */
  readonly changes: readonly number[];
  readonly done: number;
  /** When the first of them began, on the host's clock; absent: none has. */
  readonly startedAt?: number;
  /** The change that took longest so far, of those that are done. */
  readonly slowest?: { readonly id: string; readonly seconds: number };
}

/** What is known of one run from its events so far. */
export interface RunTrack {
  readonly host: string;
  readonly total: number;
  readonly done: number;
  /** Seconds on the host's clock; 0 before the first event. */
  readonly startedAt: number;
  readonly lastAt: number;
  /** By number of the change. */
  readonly running: ReadonlyMap<number, RunningStep>;
  /** In the order in which their first changes come. */
  readonly headings: readonly TrackedHeading[];
}

export function newTrack(host: string, run: Pick<RunManifest, "changes">): RunTrack {
  const headings = new Map<string, number[]>();
  for (const [index, { id, heading = id }] of run.changes.entries())
    headings.set(heading, [...(headings.get(heading) ?? []), index + 1]);
  return {
    host,
    total: run.changes.length,
    done: 0,
    startedAt: 0,
    lastAt: 0,
    running: new Map(),
    headings: [...headings].map(([heading, changes]) => ({ heading, changes, done: 0 })),
  };
}

/** The track after one more event. */
export function trackEvent(track: RunTrack, event: RunEvent, run: RunManifest): RunTrack {
  const time = event.time > 0 ? event.time : track.lastAt;
  const next = { ...track, startedAt: track.startedAt || time, lastAt: time };
  const running = new Map(track.running);
  if (event.event === "step") {
    const known = running.get(event.change);
    running.set(event.change, {
      id: idOf(run, event.change),
      title: titleOf(run, event.change, event.step),
      since: known?.since ?? time,
    });
    if (event.state === "failed") running.delete(event.change);
    return { ...next, running, headings: beginHeading(track, event.change, time) };
  }
  if (event.event === "waiting") {
    const known = running.get(event.change);
    if (known !== undefined) running.set(event.change, { ...known, line: event.line });
    return { ...next, running };
  }
  if (event.event === "confirm") {
    const since = running.get(event.change)?.since ?? time;
    running.set(event.change, {
      id: idOf(run, event.change),
      title: "waiting for a word over a new connection",
      since,
    });
    return { ...next, running };
  }
  if (event.event === "change") {
    const id = idOf(run, event.change);
    const seconds = time - (running.get(event.change)?.since ?? time);
    running.delete(event.change);
    return {
      ...next,
      running,
      done: track.done + 1,
      headings: fillHeading(track, event.change, { id, seconds }),
    };
  }
  if (event.event === "reverted") {
    running.delete(event.change);
    return { ...next, running };
  }
  if (event.event === "end" || event.event === "lost") return { ...next, running: new Map() };
  return next;
}

/** The heading that a change stands under. */
export function headingOf(track: RunTrack, change: number): TrackedHeading | undefined {
  return track.headings.find(({ changes }) => changes.includes(change));
}

function beginHeading({ headings }: RunTrack, change: number, time: number): TrackedHeading[] {
  return headings.map((one) =>
    one.startedAt === undefined && one.changes.includes(change) ? { ...one, startedAt: time } : one,
  );
}

function fillHeading(
  { headings }: RunTrack,
  change: number,
  took: { readonly id: string; readonly seconds: number },
): TrackedHeading[] {
  return headings.map((one) => {
    if (!one.changes.includes(change)) return one;
    const isSlowest = one.slowest === undefined || took.seconds > one.slowest.seconds;
    return { ...one, done: one.done + 1, ...(isSlowest ? { slowest: took } : {}) };
  });
}

/** `file:/etc/caddy/Caddyfile` of a change's number. */
export function idOf(run: RunManifest, change: number): string {
  return run.changes[change - 1]?.id ?? `change ${change}`;
}

/** What a step does; step 0 prepares the way back of a guarded change. */
export function titleOf(run: RunManifest, change: number, step: number): string {
  if (step === 0) return "prepare it";
  return run.changes[change - 1]?.steps[step - 1] ?? `step ${step}`;
}
