import type { Readable } from "node:stream";
import { HostkitError } from "../errors.ts";
import { describeRun, makeBundle } from "../plan/bundle.ts";
import type { BundleEntry, RunInput, RunManifest, RunPrograms } from "../plan/bundle.ts";
import type { RunEvent, RunState } from "../plan/events.ts";
import type { Plan } from "../plan/types.ts";
import type { ResourceId } from "../resources/resource.ts";
import type { Connection } from "../ssh/connection.ts";
import {
  confirmChange,
  followRun,
  readGuardLog,
  readStepLog,
  startRun,
  wasStarted,
} from "./run.ts";
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
  readonly programs: RunPrograms;
  /** The bundle as a tar stream. */
  pack(entries: readonly BundleEntry[]): Readable;
  /** Changes at once on the host. Default 4. */
  readonly parallel?: number;
  /** What the run is told of images whose layers were sent. */
  readonly layouts?: RunInput["layouts"];
}

export interface FailedStep {
  readonly id: ResourceId;
  readonly title: string;
  readonly code: number;
  /** It was ended after so many seconds; what it waited for then, where the step says. */
  readonly expired?: { readonly seconds: number; readonly waitedFor?: string };
  /** Of its log what tells something: the cause and the last lines. */
  readonly log: readonly string[];
  /** The first line that tells a cause. */
  readonly cause?: string;
}

export interface RunOutcome {
  readonly run: RunRef;
  readonly state: RunState | "lost";
  readonly failed: readonly FailedStep[];
  /** What was taken back because nobody confirmed it, or because it failed; the old state is there. */
  readonly reverted: readonly ResourceId[];
  /** What should have been taken back, and could not be. */
  readonly stuck: readonly FailedStep[];
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
    programs: options.programs,
    parallel: options.parallel ?? 4,
    ...(options.layouts === undefined ? {} : { layouts: options.layouts }),
  };
  const run: RunRef = {
    stack: plan.stack,
    stackDirectory: plan.stackDirectory,
    runId: options.runId,
  };
  const bundle = () => options.pack(makeBundle(plan, input));
  return followToEnd(connection, run, describeRun(plan, input), options, bundle);
}

/**
 * Follows a run, started by whomever, to its end: over lost links, with confirmations.
 * @param bundle starts the run first; asked for once more where the link was lost before the host had all of it
 */
export async function followToEnd(
  connection: Connection,
  run: RunRef,
  manifest: RunManifest,
  options: FollowOptions,
  bundle?: () => Readable,
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
  const comeBack = async (error: unknown, what: string): Promise<void> => {
    if (!(error instanceof HostkitError) || error.code !== "host_unreachable") throw error;
    options.onNotice?.(`the connection was lost; ${what}, trying to reach it again`);
    const lost = current;
    current = await reconnect(options, run);
    if (lost !== connection) void lost.close();
    options.onNotice?.("the connection is back");
  };
  for (let isStarted = false; bundle !== undefined && !isStarted;) {
    try {
      await startRun(current, run, bundle(), take, count);
      isStarted = true;
    } catch (error) {
      await comeBack(error, "the host may have begun the run");
      isStarted = await wasStarted(current, run);
    }
  }
  while (!isOver) {
    try {
      await followRun(current, run, lines + 1, take, count, manifest.removesItself === true);
      if (!isOver) await pause(500);
    } catch (error) {
      await comeBack(error, "the run goes on on the host");
    }
  }
  await Promise.all(pending);
  const outcome = await summarize(current, run, manifest, seen);
  if (current !== connection) await current.close();
  return outcome;
}

async function reconnect(options: FollowOptions, run: RunRef): Promise<Connection> {
  const began = Date.now();
  const deadline = began + (options.reconnectSeconds ?? 600) * 1000;
  // A guard waits half a minute for the word: within that time, every moment counts.
  const longest = (): number => (Date.now() - began < 60_000 ? 1000 : 10_000);
  for (let wait = 500; ; wait = Math.min(wait * 2, longest())) {
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
  const idOf = (number: number): ResourceId => idOfChange(manifest, number);
  const last = events.at(-1);
  const times = events.map(({ time }) => time).filter((time) => time > 0);
  return {
    run,
    state: last?.event === "end" ? last.state : "lost",
    failed: await readFailed(connection, run, manifest, events),
    stuck: await readStuck(connection, run, manifest, events),
    reverted: events.flatMap((event) =>
      event.event === "reverted" && event.state !== "stuck" ? [idOf(event.change)] : [],
    ),
    done: events.filter((event) => event.event === "change").map((event) => idOf(event.change)),
    seconds: (times.at(-1) ?? 0) - (times[0] ?? 0),
  };
}

function idOfChange(manifest: RunManifest, number: number): ResourceId {
  return manifest.changes[number - 1]?.id ?? `change:${number}`;
}

/** The steps that failed, with what their logs tell. */
async function readFailed(
  connection: Connection,
  run: RunRef,
  manifest: RunManifest,
  events: readonly RunEvent[],
): Promise<FailedStep[]> {
  const failed: FailedStep[] = [];
  for (const event of events) {
    if (event.event !== "step" || event.state !== "failed") continue;
    const change = manifest.changes[event.change - 1];
    const { lines: log, cause } = await readStepLog(connection, run, event.change, event.step);
    failed.push({
      id: idOfChange(manifest, event.change),
      title: event.step === 0 ? "prepare it" : (change?.steps[event.step - 1] ?? ""),
      code: event.code ?? 1,
      ...(event.expired === undefined
        ? {}
        : {
            expired: {
              seconds: event.expired,
              ...(change?.waits?.[event.step] === undefined
                ? {}
                : { waitedFor: change.waits[event.step] }),
            },
          }),
      log,
      ...(cause === undefined ? {} : { cause }),
    });
  }
  return failed;
}

/** What could not be put back, with what its log tells. */
async function readStuck(
  connection: Connection,
  run: RunRef,
  manifest: RunManifest,
  events: readonly RunEvent[],
): Promise<FailedStep[]> {
  const stuck: FailedStep[] = [];
  for (const event of events) {
    if (event.event === "reverted" && event.state === "stuck") {
      const { lines: log } = await readStepLog(connection, run, event.change, 0);
      stuck.push({
        id: idOfChange(manifest, event.change),
        title: "put the old state back",
        code: 1,
        log,
      });
    }
    if (event.event === "guard" && event.state === "stuck") {
      const log = await readGuardLog(connection, run);
      stuck.push({ id: event.id, title: `put back what run ${event.of} began`, code: 1, log });
    }
  }
  return stuck;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
