import { listRuns } from "../host/run.ts";
import type { RunSummary } from "../host/run.ts";
import type { Colors } from "../report/colors.ts";
import { formatSeconds, formatTime } from "../report/duration.ts";
import { table } from "../report/status.ts";
import type { Verb } from "./line/verb.ts";
import { onEachHost, openProject } from "../session/project.ts";

/** The audit log of a stack on its hosts. */
export const runRuns: Verb = async (context) => {
  const project = await openProject(context);
  const lists = await onEachHost(project.hosts, async (connection, host) => ({
    host: host.name,
    runs: await listRuns(connection, project.manifest.stack, project.stackDirectory),
  }));
  if (context.options.json === true) {
    const hosts = lists.map(({ host, runs }) => ({
      host,
      runs: runs.map(({ manifest, ...run }) => ({ run: manifest.runId, ...run, ...manifest })),
    }));
    context.print(JSON.stringify({ stack: project.manifest.stack, hosts }, undefined, 2));
    return;
  }
  for (const { host, runs } of lists) {
    context.print(context.colors.bold(host));
    const lines = table(runs.map((run) => runRow(run, context.colors)));
    context.print(lines.length === 0 ? "  no runs yet" : lines.join("\n"));
  }
};

function runRow({ manifest, state, startedAt, endedAt }: RunSummary, colors: Colors): string[] {
  const paint = state === "ok" ? colors.green : state === "running" ? colors.cyan : colors.red;
  const count = manifest.changes.length;
  return [
    manifest.runId,
    `${formatTime(startedAt)} UTC`,
    paint(state),
    endedAt === undefined ? "" : formatSeconds(endedAt - startedAt),
    manifest.verb ?? "",
    `${count} ${manifest.changes.every(({ action }) => action === "run") ? "step" : "change"}${count === 1 ? "" : "s"}`,
    colors.dim(manifest.holder.replace(/ since .*/, "")),
  ];
}
