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
  | { readonly time: number; readonly event: "reverted"; readonly change: number }
  | { readonly time: number; readonly event: "end"; readonly state: RunState }
  /** The runner is gone without having said so: power cut, reboot, kill. */
  | { readonly time: number; readonly event: "lost" };

export type RunState = "ok" | "failed" | "reverted" | "locked" | "stale";

const names = new Set(["start", "step", "change", "confirm", "reverted", "end", "lost"]);

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
