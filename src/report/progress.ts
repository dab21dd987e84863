import type { RunManifest } from "../plan/bundle.ts";
import type { RunEvent } from "../plan/events.ts";
import type { Colors } from "./colors.ts";
import { formatSeconds } from "./duration.ts";
import { fitForTerminal } from "./terminal-text.ts";
import { idOf, newTrack, titleOf, trackEvent } from "./track.ts";
import type { RunTrack } from "./track.ts";

/** Shows runs while they go on. */
export interface Progress {
  event(host: string, event: RunEvent, run: RunManifest): void;
  /** A line that is no event: "the connection was lost". */
  notice(host: string, line: string): void;
  /** Takes the live region away; call it before anything else is printed. */
  stop(): void;
}

export interface ProgressOptions {
  /** "live" redraws a region of the terminal; "lines" and "json" print one line an event; "silent" prints notices only. */
  readonly kind: "live" | "lines" | "json" | "silent";
  readonly stream: NodeJS.WritableStream;
  readonly colors: Colors;
  /** Takes secrets out. */
  hide(text: string): string;
  /** Milliseconds, any origin. */
  clock(): number;
}

export async function createProgress(options: ProgressOptions): Promise<Progress> {
  if (options.kind === "live") return createLive(options);
  const write = (line: string) =>
    void options.stream.write(`${fitForTerminal(options.hide(line))}\n`);
  if (options.kind === "json") {
    return {
      event: (host, event, run) => write(JSON.stringify(describeEvent(host, event, run))),
      notice: (host, message) => write(JSON.stringify({ host, event: "notice", message })),
      stop: () => undefined,
    };
  }
  const tracks = new Map<string, RunTrack>();
  return {
    event(host, event, run) {
      if (options.kind === "silent") return;
      const track = trackEvent(tracks.get(host) ?? newTrack(host, run.changes.length), event, run);
      tracks.set(host, track);
      write(renderEvent(track, event, run));
    },
    notice: (host, line) => write(`${host}: ${line}`),
    stop: () => undefined,
  };
}

/** An event with what its numbers stand for. */
export function describeEvent(
  host: string,
  event: RunEvent,
  run: RunManifest,
): Record<string, unknown> {
  const id =
    "change" in event && typeof event.change === "number" ? { id: idOf(run, event.change) } : {};
  const title = event.event === "step" ? { title: titleOf(run, event.change, event.step) } : {};
  return { host, run: run.runId, ...event, ...id, ...title };
}

/** One event as one line, for a file or a pipe: `dx1   12 s  ok       packages:apt: install 3 packages`. */
export function renderEvent(track: RunTrack, event: RunEvent, run: RunManifest): string {
  const at = formatSeconds(track.lastAt - track.startedAt).padStart(8);
  const line = (word: string, text: string) => `${track.host} ${at}  ${word.padEnd(8)} ${text}`;
  switch (event.event) {
    case "start":
      return line("start", `run ${run.runId}, ${track.total} changes`);
    case "step":
      return line(
        event.state,
        `${idOf(run, event.change)}: ${titleOf(run, event.change, event.step)}${event.state === "failed" ? ` (${describeEnd(event)})` : ""}`,
      );
    case "change":
      return line("done", `${idOf(run, event.change)} (${track.done} of ${track.total})`);
    case "confirm":
      return line(
        "confirm",
        `${idOf(run, event.change)}: waits ${event.seconds} s for a word over a new connection`,
      );
    case "reverted":
      return line("reverted", `${idOf(run, event.change)}: ${describeReverted(event.state)}`);
    case "guard":
      return line("guard", describeGuard(event));
    case "waiting":
      return line(
        "waiting",
        `${idOf(run, event.change)}: ${titleOf(run, event.change, event.step)}: goes on for ${event.seconds} s${event.line === "" ? "" : `; its last line: ${event.line}`}`,
      );
    case "end":
      return line("end", event.state);
    case "lost":
      return line("lost", "the run ended without a word");
  }
}

/** A run of an older version does not say more than that it was taken back. */
function describeReverted(state: "back" | "stuck" | undefined): string {
  return state === "stuck"
    ? "could NOT be put back: the old state is not there"
    : "the host put the old state back";
}

const guardWords = {
  reverted: "was not confirmed; the old state was put back, and is there",
  kept: "was confirmed; it stays",
  unarmed: "had not changed anything yet",
  stuck: "was not confirmed and could NOT be put back: the old state is not there",
} as const;

/** What became of the guard that an earlier run left. */
function describeGuard({ id, of, state }: Extract<RunEvent, { event: "guard" }>): string {
  return `${id}, begun by run ${of} that did not end: ${guardWords[state]}`;
}

/** `exit 1`, or that it was ended. */
function describeEnd({
  code,
  expired,
}: {
  readonly code?: number;
  readonly expired?: number;
}): string {
  return expired === undefined ? `exit ${code ?? 1}` : `did not end within ${expired} s`;
}

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const frameMs = 100;

async function createLive({ stream, colors, hide, clock }: ProgressOptions): Promise<Progress> {
  // What it knows of characters takes 35 ms to set up.
  const { createLogUpdate } = await import("log-update");
  const region = createLogUpdate(stream);
  const tracks = new Map<string, { track: RunTrack; seenAt: number }>();
  let frame = 0;
  const draw = () => {
    const shown = [...tracks.values()].map(({ track, seenAt }) => ({
      track,
      elapsed: track.lastAt + (clock() - seenAt) / 1000,
    }));
    const { columns = 80 } = stream as { columns?: number };
    const text = renderRegion(shown, frames[frame % frames.length] ?? "", colors, columns);
    region(fitForTerminal(hide(text)));
  };
  const timer = setInterval(() => {
    frame += 1;
    draw();
  }, frameMs);
  timer.unref();
  const keep = (line: string) => region.persist(fitForTerminal(hide(line)));
  return {
    event(host, event, run) {
      const before = tracks.get(host)?.track ?? newTrack(host, run.changes.length);
      const track = trackEvent(before, event, run);
      tracks.set(host, { track, seenAt: clock() });
      const line = renderKept(before, track, event, run, { colors, isAlone: tracks.size === 1 });
      if (line !== undefined) keep(line);
      draw();
    },
    notice(host, line) {
      keep(`${colors.yellow("!")} ${host}: ${line}`);
    },
    stop() {
      clearInterval(timer);
      region.clear();
      region.done();
    },
  };
}

/**
 * The lines that change: what each host is doing now, and how far it is.
 * @param width of the terminal; no line is longer
 */
export function renderRegion(
  hosts: readonly { readonly track: RunTrack; readonly elapsed: number }[],
  frame: string,
  colors: Colors,
  width: number,
): string {
  const lines: string[] = [];
  for (const { track, elapsed } of hosts) {
    const prefix = hosts.length > 1 ? `${track.host} ` : "";
    for (const { id, title, since, line = "" } of track.running.values()) {
      const seconds = formatSeconds(elapsed - since);
      const room = width - prefix.length - seconds.length - 7;
      const name = cut(id, room);
      const text = cut(line === "" ? title : `${title}: ${line}`, room - name.length);
      lines.push(
        `${colors.cyan(frame)} ${colors.bold(prefix)}${name}  ${colors.dim(`${text}  ${seconds}`)}`,
      );
    }
    const total = formatSeconds(elapsed - track.startedAt);
    lines.push(
      colors.dim(cut(`  ${prefix}${track.done} of ${track.total} done, ${total}`, width - 1)),
    );
  }
  return lines.join("\n");
}

function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return length < 2 ? "" : `${text.slice(0, length - 1)}…`;
}

/** The line that stays on the terminal after an event; undefined for none. */
function renderKept(
  before: RunTrack,
  track: RunTrack,
  event: RunEvent,
  run: RunManifest,
  { colors, isAlone }: { readonly colors: Colors; readonly isAlone: boolean },
): string | undefined {
  const prefix = isAlone ? "" : `${colors.bold(track.host)} `;
  if (event.event === "change") {
    const since = before.running.get(event.change)?.since ?? track.lastAt;
    const action = run.changes[event.change - 1]?.action ?? "";
    return `${colors.green("✓")} ${prefix}${idOf(run, event.change)}  ${colors.dim(`${action}, ${formatSeconds(track.lastAt - since)}`)}`;
  }
  if (event.event === "step" && event.state === "failed") {
    return `${colors.red("✗")} ${prefix}${idOf(run, event.change)}  ${titleOf(run, event.change, event.step)} (${describeEnd(event)})`;
  }
  if (event.event === "reverted") {
    return `${colors.red("↶")} ${prefix}${idOf(run, event.change)}  ${describeReverted(event.state)}`;
  }
  if (event.event === "guard") {
    const mark = event.state === "stuck" ? colors.red("✗") : colors.yellow("!");
    return `${mark} ${prefix}${describeGuard(event)}`;
  }
  return undefined;
}
