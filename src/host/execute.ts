import type { Readable } from "node:stream";
import { HostkitError } from "../errors.ts";
import { describeRun, makeBundle } from "../plan/bundle.ts";
import type { BundleEntry, RunManifest } from "../plan/bundle.ts";
import type { RunEvent, RunState } from "../plan/events.ts";
import type { Plan } from "../plan/plan.ts";
import type { ResourceId } from "../resources/resource.ts";
import type { Connection } from "./connection.ts";
import { confirmChange, followRun, readStepLog, startRun } from "./run.ts";
import type { RunRef } from "./run.ts";

/** What following a run needs from outside. */
export interface FollowOptions {
  /** Opens a new connection at each call; used after a lost link and to confirm guarded changes. */
  connect(): Promise<Connection>;
  onEvent?(event: RunEvent, run: RunManifest): void;
  /** Lines for the user that are no events: "connection lost, trying again". */
  onNotice?(line: string): void;
  /** How long to try to come back after a lost link. Default 600. */
  readonly reconnectSeconds?: number;
}

export interface ExecuteOptions extends FollowOptions {
  readonly runId: string;
  readonly holder: string;
  /** templates/run/runner.sh */
  readonly runner: string;
  /** templates/run/paths.sh */
  readonly paths: string;
  /** The bundle as a tar stream. */
  pack(entries: readonly BundleEntry[]): Readable;
  /** Changes at once on the host. Default 4. */
  readonly parallel?: number;
}

export interface FailedStep {
  readonly id: ResourceId;
  readonly title: string;
  readonly code: number;
  /** Last lines of its log. */
  readonly log: readonly string[];
}

export interface RunOutcome {
  readonly run: RunRef;
  readonly state: RunState | "lost";
  readonly failed: readonly FailedStep[];
  readonly reverted: readonly ResourceId[];
  /** Done changes, in the order in which they ended. */
  readonly done: readonly ResourceId[];
  /** Seconds on the host's clock. */
  readonly seconds: number;
}

/** Carries a plan out on its host and waits for the end. The host goes on if the controller does not. */
export async function executePlan(
  connection: Connection,
  plan: Plan,
  options: ExecuteOptions,
): Promise<RunOutcome> {
  const input = {
    runId: options.runId,
    holder: options.holder,
    runner: options.runner,
    paths: options.paths,
    parallel: options.parallel ?? 4,
  };
  const run: RunRef = {
    stack: plan.stack,
    stackDirectory: plan.stackDirectory,
    runId: options.runId,
  };
  const bundle = options.pack(makeBundle(plan, input));
  return followToEnd(connection, run, describeRun(plan, input), options, bundle);
}

/**
 * Follows a run, started by whomever, to its end: over lost links, with confirmations.
 * @param bundle starts the run first
 */
export async function followToEnd(
  connection: Connection,
  run: RunRef,
  manifest: RunManifest,
  options: FollowOptions,
  bundle?: Readable,
): Promise<RunOutcome> {
  const seen: RunEvent[] = [];
  let lines = 0;
  let isOver = false;
  let current = connection;
  const pending: Promise<void>[] = [];
  const take = (event: RunEvent): void => {
    seen.push(event);
    options.onEvent?.(event, manifest);
    if (event.event === "end" || event.event === "lost") isOver = true;
    if (event.event === "confirm")
      pending.push(confirmOverNewConnection(run, event.change, event.seconds, options));
  };
  const count = (): void => {
    lines += 1;
  };
  if (bundle !== undefined) await startRun(connection, run, bundle, take, count);
  while (!isOver) {
    try {
      await followRun(current, run, lines + 1, take, count);
      if (!isOver) await pause(500);
    } catch (error) {
      if (!(error instanceof HostkitError) || error.code !== "host_unreachable") throw error;
      options.onNotice?.(
        "the connection was lost; the run goes on on the host, trying to reach it again",
      );
      current = await reconnect(options, run);
      options.onNotice?.("the connection is back");
    }
  }
  await Promise.all(pending);
  const outcome = await summarize(current, run, manifest, seen);
  if (current !== connection) await current.close();
  return outcome;
}

async function reconnect(options: FollowOptions, run: RunRef): Promise<Connection> {
  const deadline = Date.now() + (options.reconnectSeconds ?? 600) * 1000;
  for (let wait = 500; ; wait = Math.min(wait * 2, 10_000)) {
    try {
      return await options.connect();
    } catch (error) {
      if (!(error instanceof HostkitError) || error.code !== "host_unreachable") throw error;
      if (Date.now() < deadline) {
        await pause(wait);
        continue;
      }
      throw new HostkitError(
        "run_interrupted",
        {
          what: "the host did not come back",
          where: `run ${run.runId}`,
          why: "the run itself goes on on the host without this machine",
          next: `when the host can be reached again: hostkit attach ${run.runId}`,
        },
        { cause: error },
      );
    }
  }
}

/** Tries until the guard's time is over: a host that cannot be reached anew must not be confirmed. */
async function confirmOverNewConnection(
  run: RunRef,
  change: number,
  seconds: number,
  options: FollowOptions,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    try {
      const connection = await options.connect();
      try {
        await confirmChange(connection, run, change);
      } finally {
        await connection.close();
      }
      return;
    } catch {
      await pause(500);
    }
  }
}

async function summarize(
  connection: Connection,
  run: RunRef,
  manifest: RunManifest,
  events: readonly RunEvent[],
): Promise<RunOutcome> {
  const idOfChange = (number: number): ResourceId =>
    manifest.changes[number - 1]?.id ?? `change:${number}`;
  const failures = events.filter((event) => event.event === "step" && event.state === "failed");
  const failed: FailedStep[] = [];
  for (const event of failures) {
    if (event.event !== "step") continue;
    const change = manifest.changes[event.change - 1];
    failed.push({
      id: idOfChange(event.change),
      title: change?.steps[event.step - 1] ?? "prepare the way back",
      code: event.code ?? 1,
      log: await readStepLog(connection, run, event.change, event.step),
    });
  }
  const last = events.at(-1);
  const first = events.find((event) => event.time > 0);
  return {
    run,
    state: last?.event === "end" ? last.state : "lost",
    failed,
    reverted: events
      .filter((event) => event.event === "reverted")
      .map((event) => idOfChange(event.change)),
    done: events
      .filter((event) => event.event === "change")
      .map((event) => idOfChange(event.change)),
    seconds: (last?.time ?? 0) - (first?.time ?? 0),
  };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
