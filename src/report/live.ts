import type { RunManifest } from "../plan/bundle.ts";
import type { RunEvent } from "../plan/events.ts";
import type { Colors } from "./colors.ts";
import { formatSeconds } from "./duration.ts";
import { describeEnd, describeGuard, describeReverted } from "./event-words.ts";
import type { Progress, ProgressOptions } from "./progress-options.ts";
import { fitForTerminal } from "./terminal-text.ts";
import { headingOf, idOf, newTrack, titleOf, trackEvent } from "./track.ts";
import type { RunningStep, RunTrack, TrackedHeading } from "./track.ts";

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const frameMs = 100;

/** Runs on a terminal: a region that is drawn anew, and lines above it that stay. */
export async function createLive({
  stream,
  colors,
  hide,
  clock,
}: ProgressOptions): Promise<Progress> {
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
    const { columns = 80, rows = 24 } = stream as { columns?: number; rows?: number };
    const text = renderRegion(shown, frames[frame % frames.length] ?? "", colors, {
      width: columns,
      // log-update redraws what it still sees.
      height: rows - 1,
    });
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
      const before = tracks.get(host)?.track ?? newTrack(host, run);
      const track = trackEvent(before, event, run);
      tracks.set(host, { track, seenAt: clock() });
      for (const line of renderKept(track, event, run, { colors, isAlone: tracks.size === 1 }))
        keep(line);
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

interface Area {
  readonly width: number;
  readonly height: number;
}

/** A run, and the host's clock as it is now. */
interface ShownRun {
  readonly track: RunTrack;
  readonly elapsed: number;
}

/**
 * The lines that change: of each host what is not done yet, heading by heading, each with the step that has gone on for longest.
 * @param area of the terminal; no line is longer, and where not all headings find room those are shown that something is done for
 */
export function renderRegion(
  hosts: readonly ShownRun[],
  frame: string,
  colors: Colors,
  area: Area,
): string {
  const open = hosts.map((run) => ({
    run,
    headings: run.track.headings.filter(({ changes, done }) => done < changes.length),
  }));
  const rows = open.reduce((sum, { headings }) => sum + headings.length + 1, 0);
  const isCrowded = rows > area.height;
  const lines = open.flatMap(({ run, headings }) => {
    const going = headings.filter((one) => slowestOf(run.track, one) !== undefined);
    const prefix = hosts.length > 1 ? `${run.track.host} ` : "";
    return [
      ...(isCrowded ? going : headings).map((heading) =>
        renderHeading(run, heading, { frame, colors, prefix, width: area.width }),
      ),
      renderTotal(run, prefix, colors, area.width),
    ];
  });
  return lines.slice(0, Math.max(1, area.height)).join("\n");
}

/** The step under a heading that has gone on for longest. */
function slowestOf({ running }: RunTrack, { changes }: TrackedHeading): RunningStep | undefined {
  const going = changes.flatMap((change) => running.get(change) ?? []);
  return going.toSorted((left, right) => left.since - right.since)[0];
}

function renderHeading(
  { track, elapsed }: ShownRun,
  heading: TrackedHeading,
  {
    frame,
    colors,
    prefix,
    width,
  }: {
    readonly frame: string;
    readonly colors: Colors;
    readonly prefix: string;
    readonly width: number;
  },
): string {
  const name = nameOf(track, heading);
  const count = countOf(track, heading);
  const step = slowestOf(track, heading);
  if (step === undefined) return colors.dim(cut(`  ${prefix}${name}${count}`, width));
  const seconds = formatSeconds(elapsed - step.since);
  const room = width - prefix.length - seconds.length - name.length - count.length - 6;
  const said =
    step.line === undefined || step.line === "" ? step.title : `${step.title}: ${step.line}`;
  const about = heading.heading === step.id ? said : `${step.id}  ${said}`;
  const text = cut(about, room);
  const shown = `${prefix}${name}`;
  return room < 8
    ? cut(`${frame} ${shown}${count}  ${seconds}`, width)
    : `${colors.cyan(frame)} ${colors.bold(shown)}${count}  ${colors.dim(`${text}  ${seconds}`)}`;
}

function renderTotal({ track, elapsed }: ShownRun, prefix: string, colors: Colors, width: number) {
  const total = formatSeconds(elapsed - track.startedAt);
  return colors.dim(cut(`  ${prefix}${track.done} of ${track.total} done, ${total}`, width));
}

/** Names stand below each other; an id that stands for itself takes what room it needs. */
function nameOf({ headings }: RunTrack, { heading }: TrackedHeading): string {
  const most = Math.max(...headings.map((one) => one.heading.length));
  return cut(heading, 32).padEnd(Math.min(most, 32));
}

/** How much of a heading is done; of a run whose headings are single changes, nothing. */
function countOf({ headings }: RunTrack, { done, changes }: TrackedHeading): string {
  const most = Math.max(...headings.map((one) => one.changes.length));
  const width = `${most} of ${most}`.length;
  return most === 1 ? "" : `  ${`${done} of ${changes.length}`.padStart(width)}`;
}

function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return length < 2 ? "" : `${text.slice(0, length - 1)}…`;
}

interface KeptStyle {
  readonly colors: Colors;
  readonly isAlone: boolean;
}

/** The lines that stay on the terminal after an event. */
function renderKept(
  track: RunTrack,
  event: RunEvent,
  run: RunManifest,
  { colors, isAlone }: KeptStyle,
): string[] {
  const prefix = isAlone ? "" : `${colors.bold(track.host)} `;
  if (event.event === "change") {
    const heading = headingOf(track, event.change);
    if (heading === undefined || heading.done < heading.changes.length) return [];
    return [`${colors.green("✓")} ${prefix}${renderDone(track, heading, colors)}`];
  }
  if (event.event === "step" && event.state === "failed")
    return [
      `${colors.red("✗")} ${prefix}${idOf(run, event.change)}  ${titleOf(run, event.change, event.step)} (${describeEnd(event)})`,
    ];
  if (event.event === "reverted")
    return [
      `${colors.red("↶")} ${prefix}${idOf(run, event.change)}  ${describeReverted(event.state)}`,
    ];
  if (event.event === "guard") {
    const mark = event.state === "stuck" ? colors.red("✗") : colors.yellow("!");
    return [`${mark} ${prefix}${describeGuard(event)}`];
  }
  return event.event === "end" || event.event === "lost"
    ? track.headings
        .filter(({ done, changes }) => done < changes.length)
        .map(
          (heading) =>
            `${colors.yellow("·")} ${prefix}${nameOf(track, heading)}${countOf(track, heading)}  not done`,
        )
    : [];
}

/** `api        3 of 3, 12 s; slowest: release:api, 9.0 s` */
function renderDone(track: RunTrack, heading: TrackedHeading, colors: Colors): string {
  const { changes, startedAt = track.lastAt, slowest } = heading;
  const took = formatSeconds(track.lastAt - startedAt);
  const isNamed = slowest !== undefined && slowest.seconds >= 1 && changes.length > 1;
  const named = isNamed ? `; slowest: ${slowest.id}, ${formatSeconds(slowest.seconds)}` : "";
  return `${nameOf(track, heading)}${countOf(track, heading)}  ${colors.dim(`${took}${named}`)}`;
}
