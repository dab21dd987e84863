import { listOneOffs } from "../host/one-off-records.ts";
import type { OneOffSummary } from "../host/one-off-records.ts";
import { listRuns } from "../host/run.ts";
import type { RunSummary } from "../host/run.ts";
import type { Colors } from "../report/colors.ts";
import { formatSeconds, formatTime } from "../report/duration.ts";
import { table } from "../report/status.ts";
import { plainText } from "../report/terminal-text.ts";
import { showCommand } from "../stack/services/hook.ts";
import type { Verb } from "./line/verb.ts";
import { onEachHost, openProject } from "../session/project.ts";

/** The audit log of a stack on its hosts: runs, and the commands that somebody ran beside its services. */
export const runRuns: Verb = async (context) => {
  const project = await openProject(context);
  const lists = await onEachHost(project.hosts, async (connection, host) => ({
    host: host.name,
    runs: await listRuns(connection, project.manifest.stack, project.stackDirectory),
    commands: await listOneOffs(connection, project.manifest.stack, project.stackDirectory),
  }));
  if (context.options.json === true) {
    const hosts = lists.map(({ host, runs, commands }) => ({
      host,
      commands,
      runs: runs.map(({ manifest, ...run }) => ({ run: manifest.runId, ...run, ...manifest })),
    }));
    context.print(JSON.stringify({ stack: project.manifest.stack, hosts }, undefined, 2));
    return;
  }
  for (const { host, runs, commands } of lists) {
    context.print(context.colors.bold(host));
    const { colors } = context;
    const rows = [
      ...runs.map((run) => ({ at: run.startedAt, row: runRow(run, colors) })),
      ...commands.map((command) => ({ at: command.at, row: commandRow(command, colors) })),
    ].toSorted((one, other) => one.at - other.at);
    const lines = table(rows.map(({ row }) => row));
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

function commandRow(command: OneOffSummary, colors: Colors): string[] {
  const { id, at, ended, verb, service, words, by } = command;
  return [
    id,
    `${formatTime(at)} UTC`,
    paintState(command, colors),
    ended === undefined ? "" : formatSeconds(ended - at),
    `${verb} ${plainText(service)}`,
    words === undefined ? "a shell" : plainText(showCommand(words, 60)),
    colors.dim(plainText(by)),
  ];
}

/** A command's own status is no failure of hostkit, and its meaning is the command's. */
function paintState({ state, code = 0 }: OneOffSummary, colors: Colors): string {
  if (state === "running") return colors.cyan(state);
  if (state === "ended") return code === 0 ? colors.green("ok") : colors.red(`exit ${code}`);
  return colors.red(state);
}
