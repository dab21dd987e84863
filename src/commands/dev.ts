import path from "node:path";
import { HostkitError } from "../errors.ts";
import { openDevProxy } from "../local/dev-proxy.ts";
import type { DevProxy } from "../local/dev-proxy.ts";
import { watchSources } from "../local/watch.ts";
import type { SourceChange } from "../local/watch.ts";
import { createDevReport } from "../report/dev.ts";
import type { DevReport } from "../report/dev.ts";
import type { Progress } from "../report/progress-options.ts";
import type { Context } from "../session/context.ts";
import { ChangeQueue, joinChanges } from "../dev/change-queue.ts";
import { LogFollower } from "../dev/logs.ts";
import { DevSession } from "../dev/session.ts";
import type { Taken } from "../dev/session.ts";
import { confirmOrRefuse, showRuns } from "../session/watch-run.ts";
import { twinNameOf } from "../session/lab-twins.ts";
import type { Verb } from "./line/verb.ts";
import type { Project } from "../session/project.ts";

interface DevOptions {
  readonly onHost?: boolean;
  readonly yes?: boolean;
  readonly down?: boolean;
  readonly port: number;
}

/** What is written by nobody we know is taken once nothing has come for so long. */
const quietMs = 500;

/** So often saved files are looked at of which no event came. */
const lookAgainMs = 2000;

/** Keeps a host like the sources here: what is saved is live a moment later. */
export const runDev: Verb<DevOptions> = async (given, options, names) => {
  const startedAt = performance.now();
  const context = chooseLab(given, options);
  const leave = new AbortController();
  const { signal } = leave;
  const report = createDevReport({
    json: context.options.json === true,
    colors: context.colors,
    services: () => session.names,
    write: context.print,
  });
  let isFirst = true;
  const session = new DevSession({
    context,
    report,
    names,
    signal,
    async agree(project) {
      const { name, route } = project.hosts[0] ?? { name: "", route: () => ({ address: "" }) };
      const question = `Develop on ${name} (${route().address}), which is no lab host?`;
      await confirmOrRefuse(context, question, options.yes === true || project.isLab);
    },
    show: (project, work) =>
      isFirst ? showRuns(context, project, work) : work(quietProgress(report, context)),
  });
  const closers: (() => unknown)[] = [() => session.close()];
  try {
    await session.begin();
    isFirst = false;
    closers.unshift(context.terminal.onInterrupt(() => leave.abort()));
    const proxies = await openProxies(session.project, options.port);
    closers.unshift(() => proxies.forEach((proxy) => proxy.close()));
    const changes = new ChangeQueue(signal);
    const watching = await watchSources({
      folder: session.project.loaded.folder,
      also: await session.listOutputs(),
      never: [context.logFile() ?? ""],
      onChange: (change) => changes.add(change),
      onError: (error) => context.note(`watching: ${String(error)}`),
    });
    closers.unshift(() => watching.close());
    closers.unshift(lookForMissed(session, changes));
    const loop = new DevLoop({ session, report, changes, proxies, watching }, signal);
    report.tell({
      event: "ready",
      host: hostOf(session.project),
      seconds: roundMs(performance.now() - startedAt),
      ...describeReady(context, session, proxies),
    });
    await loop.run();
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    leave.abort();
    for (const close of closers) await close();
  }
  await sayGoodbye(context, session, options);
  return 0;
};

/** Saved files of which no event came. @returns what ends the looking */
function lookForMissed(session: DevSession, changes: ChangeQueue): () => void {
  const lookAgain = async (): Promise<void> => {
    const paths = await session.findMissed();
    if (paths.length > 0) changes.add({ paths, savedAt: Date.now() });
  };
  const looking = setInterval(() => void lookAgain(), lookAgainMs).unref();
  return () => clearInterval(looking);
}

interface LoopParts {
  readonly session: DevSession;
  readonly report: DevReport;
  readonly changes: ChangeQueue;
  readonly proxies: readonly DevProxy[];
  readonly watching: Awaited<ReturnType<typeof watchSources>>;
}

/** Takes one change after the other; what is saved while the host is away waits until it is back. */
class DevLoop {
  readonly #parts: LoopParts;
  readonly #signal: AbortSignal;
  readonly #logs: LogFollower;
  #missed: SourceChange | undefined;
  #isAway = false;

  constructor(parts: LoopParts, signal: AbortSignal) {
    const { session, report, changes } = parts;
    this.#parts = parts;
    this.#signal = signal;
    this.#logs = new LogFollower(session, {
      onLine: (service, line) => report.tell({ event: "log", service, line }),
      onLost: (error) => {
        this.#isAway = true;
        report.tell({ event: "lost", error });
      },
      onBack: () => {
        this.#isAway = false;
        report.tell({ event: "back", host: hostOf(session.project) });
        if (this.#missed !== undefined) changes.add(this.#missed);
      },
    });
    void this.#logs.run(signal);
  }

  /** To the end of the session. */
  async run(): Promise<void> {
    const left = new Promise<undefined>((resolve) => {
      this.#signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    for (;;) {
      const change = await this.#parts.changes.next();
      if (this.#signal.aborted || change === undefined) return;
      if (this.#isAway) this.#missed = joinChanges(this.#missed, change);
      else if (!(await this.#take(change, left))) return;
    }
  }

  /** @returns false where the session ended meanwhile */
  async #take(change: SourceChange, left: Promise<undefined>): Promise<boolean> {
    const { session, report, changes, proxies, watching } = this.#parts;
    report.hold();
    const handled = handle(session, report, changes, change, this.#missed !== undefined);
    const result = await Promise.race([handled, left]);
    report.release();
    if (this.#signal.aborted || result === undefined) return false;
    this.#missed = result === "unreachable" ? change : undefined;
    if (result === "live") {
      for (const proxy of proxies) proxy.reload();
      this.#logs.refresh();
      watching.also(await session.listOutputs());
    }
    return true;
  }
}

/** Never by mistake on a host that somebody uses. */
function chooseLab(given: Context, { onHost }: DevOptions): Context {
  const { lab, ...rest } = given.options;
  if (onHost !== true) return { ...given, options: { ...rest, lab: lab ?? "any" } };
  if (lab === undefined) return given;
  throw new HostkitError("usage", { what: "either --lab or --on-host", next: "leave one out" });
}

type Handled = "live" | "nothing" | "failed" | "unreachable";

/** One pass. Whatever is wrong is told; the next change may mend it. */
async function handle(
  session: DevSession,
  report: DevReport,
  changes: ChangeQueue,
  first: SourceChange,
  wasMissed: boolean,
): Promise<Handled> {
  try {
    const judge = async (change: SourceChange) => session.judge(change);
    let judged = { change: first, verdict: await judge(first) };
    if (judged.verdict.cause === "echo" && !wasMissed) return "nothing";
    if (judged.verdict.cause === "made")
      judged = await changes.settle(judged, wasMissed ? 0 : quietMs, judge);
    const { cause, paths } = judged.verdict;
    const { folder } = session.project.loaded;
    const files = paths.map((file) => path.relative(folder, file));
    const done: Taken | undefined = await session.take(cause === "sources");
    if (done === undefined) {
      report.tell({ event: "unchanged", files });
      return "nothing";
    }
    const seconds = roundMs(Date.now() - judged.change.savedAt);
    report.tell({ event: "live", ...done, files, seconds });
    return "live";
  } catch (error) {
    report.tell({ event: "failed", error: asHostkitError(error) });
    const isAway = error instanceof HostkitError && error.code === "host_unreachable";
    return isAway ? "unreachable" : "failed";
  }
}

/** A file may go while it is read; that ends no session. */
function asHostkitError(error: unknown): HostkitError {
  if (error instanceof HostkitError) return error;
  const what = error instanceof Error ? error.message : String(error);
  return new HostkitError("internal", { what, next: "save again" }, { cause: error });
}

/** Sites, each under a port of this machine; none behind a jump host, where they cannot be reached from here. */
async function openProxies(project: Project, port: number): Promise<DevProxy[]> {
  const route = project.hosts[0]?.route();
  if (route === undefined || !route.isDirect) return [];
  const proxies: DevProxy[] = [];
  for (const site of project.manifest.proxy?.sites ?? []) {
    if (site.name.startsWith("*")) continue;
    const verify = site.tls.kind === "acme" && !project.isLab;
    const { address } = route;
    proxies.push(await openDevProxy({ name: site.name, address, verify }, port + proxies.length));
  }
  return proxies;
}

function describeReady(context: Context, session: DevSession, proxies: readonly DevProxy[]) {
  const { folder } = session.project.loaded;
  return {
    urls: Object.fromEntries(
      proxies.map((proxy, index) => [siteNames(session.project)[index] ?? "", proxy.url]),
    ),
    watching: [path.relative(context.terminal.workingDirectory, folder) || "."],
    ways: describeWays(session),
  };
}

function siteNames(project: Project): string[] {
  return (project.manifest.proxy?.sites ?? [])
    .map(({ name }) => name)
    .filter((name) => !name.startsWith("*"));
}

function hostOf(project: Project): string {
  return project.hosts[0]?.name ?? "";
}

function describeWays(session: DevSession): Record<string, "mounted" | "built anew"> {
  return Object.fromEntries(
    (session.deployed?.services ?? []).map(({ service, mounts }) => [
      service,
      mounts.length > 0 ? "mounted" : "built anew",
    ]),
  );
}

/** After the first pass only what goes wrong is worth a line each; steps are told as they begin. */
function quietProgress(report: DevReport, context: Context): Progress {
  return {
    event(_host, event, run) {
      if (event.event !== "step" || event.state !== "started") return;
      if (context.options.json === true) return;
      const change = run.changes[event.change - 1];
      context.print(context.colors.dim(`  · ${change?.steps[event.step - 1] ?? ""}`));
    },
    notice: (host, line) => context.note(`${host}: ${line}`),
    stop: () => report.release(),
  };
}

async function sayGoodbye(
  context: Context,
  session: DevSession,
  options: DevOptions,
): Promise<void> {
  const { project } = session;
  const host = hostOf(project);
  const twin = twinNameOf(project.manifest.stack, host);
  const isDown = project.isLab && options.down === true;
  if (isDown) {
    const { downLabHost } = await import("../lab/host.ts");
    await downLabHost(twin);
  }
  if (context.options.json === true) return;
  if (isDown) return context.print(`\nthe lab host ${twin} is gone`);
  const lab = project.isLab ? " --lab" : "";
  if (session.isRunning) context.print(`\nthe run goes on on ${host}: hostkit attach${lab}`);
  if (project.isLab) context.print(`\nthe lab host ${twin} stays; remove it: hostkit lab down`);
  else
    context.print(
      `\n${host} still runs what was developed; put the manifest's back: hostkit provision`,
    );
}

function roundMs(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}
