import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { HostkitError } from "../errors.ts";
import type { Connection } from "../ssh/connection.ts";
import { executePlan, followToEnd } from "../host/run-to-end.ts";
import type { FollowOptions, RunOutcome } from "../host/run-to-end.ts";
import type { RunRef } from "../host/run.ts";
import { packBundle } from "../local/pack.ts";
import { readRunPrograms } from "../local/templates.ts";
import type { RunInput, RunManifest } from "../plan/bundle.ts";
import type { RunEvent } from "../plan/events.ts";
import type { Plan } from "../plan/types.ts";
import { createProgress } from "../report/progress.ts";
import type { Progress } from "../report/progress-options.ts";
import { spansOfRun } from "../report/timings.ts";
import type { Context } from "./context.ts";
import type { DeliveredImages } from "./built-images.ts";
import type { DeliverOptions } from "./deliver-images.ts";
import type { HostAccess, Project } from "./project.ts";

/**
 * Asks before something is changed.
 * @throws HostkitError usage without a terminal and without --yes; run_interrupted when the answer is no
 */
export async function confirmOrRefuse(
  context: Context,
  question: string,
  isAgreed: boolean,
): Promise<void> {
  if (isAgreed) return;
  if (!context.prompts.isInteractive || context.options.json === true) {
    throw new HostkitError("usage", {
      what: "nobody is there to agree to these changes",
      why:
        context.options.json === true
          ? "with --json nothing is asked"
          : "this is not a terminal; nothing was changed",
      next: "the same command with --yes",
    });
  }
  if (await context.prompts.confirm(question)) return;
  throw new HostkitError("run_interrupted", { what: "you said no", why: "nothing was changed" });
}

/**
 * Shows runs while `work` goes on. Ctrl-C leaves them: they go on on their hosts.
 * @param detail "live-only": for verbs whose answer says it all; a pipe or a file is told nothing of the run itself
 * @throws HostkitError run_interrupted after Ctrl-C
 */
export async function showRuns<T>(
  context: Context,
  project: Project,
  work: (show: Progress) => Promise<T>,
  detail: "whole" | "live-only" = "whole",
): Promise<T> {
  const isLive = canRedraw(context);
  const rest = context.options.json === true ? "json" : "lines";
  const progress = await createProgress({
    kind: isLive && rest !== "json" ? "live" : detail === "whole" ? rest : "silent",
    stream: context.terminal.stdout,
    colors: context.colors,
    hide: (text) => context.redactor.hide(text),
    clock: () => performance.now(),
  });
  let unlisten = () => {};
  const interrupted = new Promise<never>((_resolve, reject) => {
    unlisten = context.terminal.onInterrupt(() => {
      reject(
        new HostkitError("run_interrupted", {
          what: "you left; the run goes on",
          where: project.hosts.map(({ name }) => name).join(", "),
          why: "it runs on the host by itself and needs no controller, but for changes that wait for a confirmation",
          next: `follow it again: hostkit attach${context.options.lab === undefined ? "" : " --lab"}`,
        }),
      );
    });
  });
  try {
    return await Promise.race([work(progress), interrupted]);
  } finally {
    unlisten();
    progress.stop();
  }
}

/** A terminal that says how wide it is: some (`script`, serial lines) do not, and a region could not be redrawn there. */
function canRedraw({ terminal }: Context): boolean {
  const { isTTY, columns = 80 } = terminal.stdout;
  return isTTY === true && columns >= 20 && terminal.environment["TERM"] !== "dumb";
}

export interface RunOptions {
  /** All layers of images go, whatever the host says that it has. */
  readonly isWhole?: boolean;
  /** Images that were built before, for several hosts. */
  readonly images?: DeliveredImages;
}

/**
 * Carries out one plan on one host and follows it to its end. Layers of images go before it, and change nothing.
 */
export async function executeRun(
  context: Context,
  project: Project,
  host: HostAccess,
  connection: Connection,
  plan: Plan,
  show: Progress,
  { isWhole = false, images }: RunOptions = {},
): Promise<RunOutcome> {
  const layouts = plan.changes.some(({ delivers }) => delivers !== undefined)
    ? await sendImages(context, project, { host, connection, plan, show, isWhole }, images)
    : undefined;
  const now = new Date();
  const runId = newRunId(now);
  project.log.info("run begins", { host: host.name, run: runId });
  const events: RunEvent[] = [];
  const follow = followOptions(project, host, show);
  let sent: (() => void) | undefined = context.timings.begin(
    host.name,
    "send the run and start it",
  );
  let ran: (() => void) | undefined;
  return executePlan(connection, plan, {
    ...follow,
    onEvent(event, run) {
      sent?.();
      if (sent !== undefined) ran = context.timings.begin(host.name, "run");
      sent = undefined;
      events.push(event);
      if (event.event === "end") {
        ran?.();
        context.timings.add(...spansOfRun(host.name, events, run, performance.now()));
      }
      follow.onEvent?.(event, run);
    },
    runId,
    holder: `${userName(context)}@${hostname()} since ${now.toISOString().slice(0, 19)}Z, run ${runId}`,
    programs: await readRunPrograms(),
    pack: packBundle,
    ...(layouts === undefined ? {} : { layouts }),
  });
}

async function sendImages(
  context: Context,
  project: Project,
  options: Omit<DeliverOptions, "images">,
  given: DeliveredImages | undefined,
): Promise<NonNullable<RunInput["layouts"]>> {
  const [{ deliverImages }, { DeliveredImages: Images }] = await Promise.all([
    import("./deliver-images.ts"),
    import("./built-images.ts"),
  ]);
  const images = given ?? new Images(context, project);
  try {
    await images.build([options.plan]);
    const sent = context.timings.begin(options.host.name, "send layers");
    const layouts = await deliverImages({ ...options, images });
    sent();
    return layouts;
  } finally {
    if (given === undefined) await images.clear();
  }
}

/** Follows a run that somebody started. */
export function followRunOf(
  project: Project,
  host: HostAccess,
  connection: Connection,
  run: RunRef,
  manifest: RunManifest,
  show: Progress,
): Promise<RunOutcome> {
  return followToEnd(connection, run, manifest, followOptions(project, host, show));
}

function followOptions(project: Project, host: HostAccess, show: Progress): FollowOptions {
  return {
    connect: () => host.connect(),
    onEvent(event, run) {
      project.log.debug("event", { host: host.name, ...event });
      show.event(host.name, event, run);
    },
    onNotice(line) {
      project.log.info(line, { host: host.name });
      show.notice(host.name, line);
    },
  };
}

/** Sortable and unique: `20261121T010203Z-1a2b`. */
/** Sortable, and the same twice only by a chance of one in 65,536 within a second. */
export function newRunId(now: Date): string {
  const time = now.toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");
  return `${time}-${randomBytes(2).toString("hex")}`;
}

/** Who is at this machine. */
export function userName(context: Context): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user id without a name.
    return context.terminal.environment["USER"] ?? "someone";
  }
}
