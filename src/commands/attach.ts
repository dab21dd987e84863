import { HostkitError } from "../errors.ts";
import type { Connection } from "../ssh/connection.ts";
import { assertRunOk } from "../host/outcome.ts";
import { listRuns } from "../host/run.ts";
import type { RunSummary } from "../host/run.ts";
import { attachToOneOff, findOneOff } from "../session/one-offs.ts";
import { followRunOf, showRuns } from "../session/watch-run.ts";
import type { Verb } from "./line/verb.ts";
import { collectResults, onEachHost, openProject } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";

/** Follows a run or a detached command, whoever started it: the named one, else the run that is going on, else the newest. */
export const runAttach: Verb = async (context, _options, [wanted]) => {
  const project = await openProject(context);
  const command = wanted === undefined ? undefined : await findOneOff(project, wanted);
  if (command !== undefined) return attachToOneOff(context, project, command);
  const found = await onEachHost(project.hosts, async (connection, host) => ({
    host,
    run: chooseRun(
      await listRuns(connection, project.manifest.stack, project.stackDirectory),
      wanted,
    ),
  }));
  const chosen = found.flatMap(({ host, run }) => (run === undefined ? [] : [{ host, run }]));
  if (chosen.length === 0) throw explainNoRun(project, wanted);
  const going = chosen.filter(({ run }) => run.state === "running");
  const followed = going.length > 0 ? going : chosen;
  await showRuns(context, project, async (show) => {
    const outcomes = await Promise.allSettled(
      followed.map(async ({ host, run }) => {
        const outcome = await withConnection(host, (connection) =>
          followRunOf(project, host, connection, refOf(project, run), run.manifest, show),
        );
        assertRunOk(outcome, host.name);
      }),
    );
    collectResults(
      followed.map(({ host }) => host),
      outcomes,
    );
  });
  if (context.options.json === true) return;
  const { green } = context.colors;
  for (const { host, run } of followed) {
    context.print(
      `${green("✓")} ${host.name}: run ${run.manifest.runId} ended well; see \`hostkit plan\` for what is left`,
    );
  }
};

function explainNoRun(project: Project, wanted: string | undefined): HostkitError {
  return new HostkitError("usage", {
    what: wanted === undefined ? "there is no run to follow" : `there is no run ${wanted}`,
    where: project.hosts.map(({ name }) => name).join(", "),
    why: "the newest hundred runs and commands are kept on each host",
    next: wanted === undefined ? "hostkit provision" : "hostkit runs",
  });
}

function chooseRun(
  runs: readonly RunSummary[],
  wanted: string | undefined,
): RunSummary | undefined {
  if (wanted !== undefined) return runs.find(({ manifest }) => manifest.runId === wanted);
  return runs.findLast(({ state }) => state === "running") ?? runs.at(-1);
}

function refOf(project: Project, run: RunSummary) {
  return {
    stack: project.manifest.stack,
    stackDirectory: project.stackDirectory,
    runId: run.manifest.runId,
  };
}

async function withConnection<T>(
  host: HostAccess,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await host.connect();
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}
