import type { RunManifest } from "../plan/bundle.ts";
import type { RunEvent } from "../plan/events.ts";
import type { Colors } from "./colors.ts";

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
