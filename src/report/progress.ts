import type { RunManifest } from "../plan/bundle.ts";
import type { RunEvent } from "../plan/events.ts";
import { formatSeconds } from "./duration.ts";
import { fitForTerminal } from "./terminal-text.ts";
import { describeEnd, describeGuard, describeReverted } from "./event-words.ts";
import { createLive } from "./live.ts";
import type { Progress, ProgressOptions } from "./progress-options.ts";
import { idOf, newTrack, titleOf, trackEvent } from "./track.ts";
import type { RunTrack } from "./track.ts";

/** Shows the runs of one call, as the options say. */
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
      const track = trackEvent(tracks.get(host) ?? newTrack(host, run), event, run);
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
