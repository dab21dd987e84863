import path from "node:path";
import { HostkitError } from "../errors.ts";
import { openDevProxy } from "../local/dev-proxy.ts";
import type { DevProxy } from "../local/dev-proxy.ts";
import { watchSources } from "../local/watch.ts";
import type { SourceChange } from "../local/watch.ts";
import { createDevReport } from "../report/dev.ts";
import type { DevReport } from "../report/dev.ts";
import type { Progress } from "../report/progress.ts";
import type { Context } from "./context.ts";
import { followLogs } from "./dev/logs.ts";
import { DevSession } from "./dev/session.ts";
import { confirmOrRefuse, showRuns } from "./execution.ts";
import { twinNameOf } from "./lab-twins.ts";
import type { Verb } from "./program.ts";
import type { Project } from "./project.ts";

interface DevOptions {
  readonly onHost?: boolean;
  readonly yes?: boolean;
  readonly down?: boolean;
  readonly port: number;
}

/** Keeps a host like the sources here: what is saved is live a moment later. */
export const runDev: Verb<DevOptions> = async (given, options, names) => {
  const startedAt = performance.now();
  // Never by mistake on a host that somebody uses.
  const lab = options.onHost === true ? undefined : (given.options.lab ?? "any");
  if (options.onHost === true && given.options.lab !== undefined)
    throw new HostkitError("usage", { what: "either --lab or --on-host", next: "leave one out" });
  const { lab: _lab, ...rest } = given.options;
  const context: Context = {
    ...given,
    options: { ...rest, ...(lab === undefined ? {} : { lab }) },
  };
  const leave = new AbortController();
  const report = createDevReport({
    json: context.options.json === true,
    colors: context.colors,
    services: names,
    write: context.print,
  });
  let isAgreed = options.yes === true || lab !== undefined;
  let isFirst = true;
  const session = new DevSession({
    context,
    report,
    names,
    async agree(project) {
      if (isAgreed) return;
      const host = project.hosts[0]?.name ?? "";
      const question = `Put what is being developed onto ${host}, which is no lab host?`;
      await confirmOrRefuse(context, question, false);
      isAgreed = true;
    },
    async show(project, work) {
      if (isFirst) return showRuns(context, project, work);
      return work(quietProgress(report, context));
    },
  });
  const proxies: DevProxy[] = [];
  const closers: (() => unknown)[] = [() => session.close()];
  try {
    await session.begin();
    isFirst = false;
    const unlisten = context.terminal.onInterrupt(() => leave.abort());
    closers.unshift(unlisten);
    proxies.push(...(await openProxies(session.project, options.port)));
    closers.unshift(() => proxies.forEach((proxy) => proxy.close()));
    const changes = new ChangeQueue();
    const watching = await watchSources({
      folder: session.project.loaded.folder,
      also: await session.listOutputs(),
      onChange: (change) => changes.add(change),
      onError: (error) => context.note(`watching: ${String(error)}`),
    });
    closers.unshift(() => watching.close());
    void keepFollowing(session, report, leave.signal);
    report.tell({
      event: "ready",
      host: session.project.hosts[0]?.name ?? "",
      seconds: roundMs(performance.now() - startedAt),
      urls: Object.fromEntries(
        proxies.map((proxy, index) => [siteNames(session.project)[index] ?? "", proxy.url]),
      ),
      watching: [
        path.relative(context.terminal.workingDirectory, session.project.loaded.folder) || ".",
      ],
      ways: describeWays(session),
    });
    for (;;) {
      const change = await changes.next(leave.signal);
      if (change === undefined) break;
      await handle(session, report, change, proxies, leave.signal);
    }
  } catch (error) {
    if (!leave.signal.aborted) throw error;
  } finally {
    for (const close of closers) await close();
  }
  await sayGoodbye(context, session, options);
  return 0;
};

async function handle(
  session: DevSession,
  report: DevReport,
  change: SourceChange,
  proxies: readonly DevProxy[],
  signal: AbortSignal,
): Promise<void> {
  const { folder } = session.project.loaded;
  const files = change.paths.map((file) => path.relative(folder, file));
  report.hold();
  try {
    const done = await session.take(change);
    if (done === undefined) report.tell({ event: "unchanged", files });
    else {
      const seconds = roundMs(Date.now() - change.savedAt);
      report.tell({ event: "live", ...done, files, seconds });
      for (const proxy of proxies) proxy.reload();
    }
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof HostkitError)) throw error;
    report.tell({ event: "failed", error });
  } finally {
    report.release();
  }
}

/** Follows logs, over lost connections too. */
async function keepFollowing(
  session: DevSession,
  report: DevReport,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const take = (service: string, line: string) => report.tell({ event: "log", service, line });
      const { manifest } = session.project;
      await followLogs(await session.connection(), manifest, session.names, take, signal);
    } catch {
      // The next change, or the next turn, says what is wrong.
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
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

function siteNames(project: Project): string[] {
  return (project.manifest.proxy?.sites ?? [])
    .map(({ name }) => name)
    .filter((name) => !name.startsWith("*"));
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
  const host = project.hosts[0]?.name ?? "";
  const twin = twinNameOf(project.manifest.stack, host);
  if (project.isLab && options.down === true) {
    const { downLabHost } = await import("../lab/host.ts");
    await downLabHost(twin);
  }
  if (context.options.json === true) return;
  if (!project.isLab)
    context.print(
      `\n${host} still runs what was developed; put the manifest's back: hostkit provision`,
    );
  else if (options.down === true) context.print(`\nthe lab host ${twin} is gone`);
  else context.print(`\nthe lab host ${twin} stays; remove it: hostkit lab down`);
}

function roundMs(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}

/** Changes that wait for their turn, put together while another is on its way. */
class ChangeQueue {
  #waiting: SourceChange | undefined;
  #wake: () => void = () => undefined;

  add(change: SourceChange): void {
    const before = this.#waiting;
    this.#waiting =
      before === undefined
        ? change
        : {
            paths: [...new Set([...before.paths, ...change.paths])].sort(),
            savedAt: Math.max(before.savedAt, change.savedAt),
          };
    this.#wake();
  }

  /** The next change; undefined once the signal says so. */
  async next(signal: AbortSignal): Promise<SourceChange | undefined> {
    while (this.#waiting === undefined && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    if (signal.aborted) return undefined;
    const change = this.#waiting;
    this.#waiting = undefined;
    return change;
  }
}
