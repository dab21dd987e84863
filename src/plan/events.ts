import type { ResourceId } from "../resources/resource.ts";

/** What the runner on the host says, one JSON line each; docs/architecture.md lists them. */
export type RunEvent =
  | { readonly time: number; readonly event: "start" }
  | {
      readonly time: number;
      readonly event: "step";
      /** Number of the change in plan.json, from 1. */
      readonly change: number;
      /** Number of the step, from 1; 0 is the preparation of a guard. */
      readonly step: number;
      readonly state: "started" | "ok" | "failed";
      readonly code?: number;
      /** It was ended because it did not end by itself within so many seconds. */
      readonly expired?: number;
    }
  | {
      readonly time: number;
      readonly event: "change";
      readonly change: number;
      readonly state: "ok";
    }
  | {
      readonly time: number;
      readonly event: "confirm";
      readonly change: number;
      readonly seconds: number;
    }
  /** A guarded change was taken back. "stuck": it was tried, and the old state is not there. */
  | {
      readonly time: number;
      readonly event: "reverted";
      readonly change: number;
      readonly state: "back" | "stuck";
    }
  /** What became of a guard that an earlier run left; "unarmed": nothing had been changed under it yet. */
  | {
      readonly time: number;
      readonly event: "guard";
      readonly id: ResourceId;
      /** The run that armed it. */
      readonly of: string;
      readonly state: "reverted" | "kept" | "unarmed" | "stuck";
    }
  /** A step goes on, for so many seconds by now; the last line of its newest log. */
  | {
      readonly time: number;
      readonly event: "waiting";
      readonly change: number;
      readonly step: number;
      readonly seconds: number;
      readonly line: string;
    }
  | { readonly time: number; readonly event: "end"; readonly state: RunState }
  /** The runner is gone without having said so: power cut, reboot, kill. */
  | { readonly time: number; readonly event: "lost" };

/** "stuck": a guard of an earlier run could not put the old state back. "full": nothing can be written down. */
export type RunState = "ok" | "failed" | "reverted" | "locked" | "stale" | "stuck" | "full";

const names = new Set([
  "start",
  "step",
  "change",
  "confirm",
  "reverted",
  "guard",
  "waiting",
  "end",
  "lost",
]);

/** Reads one line; undefined for one that is cut short or not an event. */
export function parseRunEvent(line: string): RunEvent | undefined {
  try {
    const value = JSON.parse(line) as Partial<RunEvent> | null;
    if (typeof value !== "object" || value === null || typeof value.time !== "number")
      return undefined;
    return names.has(String(value.event)) ? (value as RunEvent) : undefined;
  } catch {
    return undefined;
  }
}
