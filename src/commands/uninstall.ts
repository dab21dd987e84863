import { need } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/file.ts";
import { lockFacts } from "../facts/lock.ts";
import { systemFacts, systemSubject } from "../facts/system.ts";
import type { Connection } from "../host/connection.ts";
import { gatherFacts } from "../host/gather.ts";
import { assertRunOk, explainLocked } from "../host/outcome.ts";
import { makeRemovalPlan, planNeeds } from "../plan/plan.ts";
import { parseState, statePath } from "../plan/state.ts";
import { describePlans, renderPlan } from "../report/plan.ts";
import { sh } from "../shell/script.ts";
import { confirmOrRefuse, executeRun, showRuns } from "./execution.ts";
import { settleHosts } from "./settle.ts";
import type { SeenHost } from "./settle.ts";
import type { Verb } from "./program.ts";
import { collectResults, newMarker, openProject } from "./project.ts";
import type { HostAccess, Project } from "./project.ts";

interface UninstallOptions {
  readonly yes?: boolean;
  readonly deleteData?: boolean;
}

interface Site extends SeenHost {
  /** The stack's folder is on the host: its removal was not begun, or did not end. */
  readonly isThere: boolean;
  readonly system: string;
  /** Ids of what stays: data. */
  readonly kept: readonly string[];
}

/** Takes away what hostkit owns on the hosts; the manifest only says which stack and which hosts. */
export const runUninstall: Verb<UninstallOptions> = async (context, options) => {
  const project = await openProject(context);
  const deleteData = options.deleteData === true;
  const connections: Connection[] = [];
  try {
    const seen = collectResults(
      project.hosts,
      await Promise.allSettled(
        project.hosts.map(async (host) => {
          const connection = await host.connect();
          connections.push(connection);
          return lookForRemoval(project, host, connection, deleteData);
        }),
      ),
    );
    const sites = await settleHosts(context, project, seen, async ({ host, connection }) =>
      lookForRemoval(project, host, connection, deleteData),
    );
    const plans = sites.map(({ plan, system }) => ({ plan, system }));
    const json = context.options.json === true;
    if (json)
      context.print(
        JSON.stringify({ event: "plan", ...describePlans(project.manifest.stack, plans) }),
      );
    else {
      const style = { colors: context.colors, verbose: context.options.verbose === true };
      context.print(plans.map((shown) => renderPlan(shown, style)).join("\n\n"));
    }
    const busy = sites.filter(({ plan, isThere }) => plan.changes.length > 0 || isThere);
    if (busy.length > 0) {
      const question = deleteData
        ? "Take all this away, data and backups too? They cannot be brought back."
        : "Take all this away?";
      await confirmOrRefuse(context, question, options.yes === true);
      await showRuns(context, project, async (show) =>
        collectResults(
          busy.map(({ host }) => host),
          await Promise.allSettled(
            busy.map(async ({ host, connection, plan }) =>
              assertRunOk(
                await executeRun(context, project, host, connection, plan, show),
                host.name,
              ),
            ),
          ),
        ),
      );
    }
    await Promise.all(busy.map(({ connection }) => waitForCleanup(project, connection)));
    for (const { host, kept } of sites) {
      if (json) context.print(JSON.stringify({ event: "result", host: host.name, kept }));
      else context.print(describeEnd(host.name, kept, context.colors.green("✓")));
    }
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
};

async function lookForRemoval(
  project: Project,
  host: HostAccess,
  connection: Connection,
  deleteData: boolean,
): Promise<Site> {
  const { stackDirectory, manifest } = project;
  const state = need(textFacts, statePath(stackDirectory));
  const first = await gatherFacts(
    connection,
    [state, need(lockFacts, stackDirectory)],
    newMarker(),
  );
  const lockedBy = first.get(lockFacts, stackDirectory);
  if (lockedBy !== undefined) throw explainLocked(host.name, lockedBy);
  const owned = parseState(first.get(textFacts, statePath(stackDirectory)) ?? "");
  const facts = await gatherFacts(
    connection,
    [...planNeeds(stackDirectory, [], owned.values()), need(fileFacts, stackDirectory)],
    newMarker(),
  );
  const input = { host: host.name, stack: manifest.stack, stackDirectory, resources: [], facts };
  const plan = makeRemovalPlan({ ...input, deleteData });
  const gone = new Set(plan.changes.map(({ id }) => id));
  const all = makeRemovalPlan({ ...input, deleteData: true });
  return {
    host,
    connection,
    plan,
    facts,
    isThere: facts.get(fileFacts, stackDirectory) !== undefined && plan.cleanup === "all",
    system: facts.get(systemFacts, systemSubject)?.prettyName ?? "",
    kept: all.changes.map(({ id }) => id).filter((id) => !gone.has(id)),
  };
}

/** The runner's last act, after it has said so, is to remove its own folder; whoever provisions next must not meet its lock. */
async function waitForCleanup(project: Project, connection: Connection): Promise<void> {
  const lock = `${project.stackDirectory}/lock`;
  await connection.exec(
    sh`i=0; while [ -e ${lock} ] && ! flock -n ${lock} true; do i=$((i + 1)); [ "$i" -gt 50 ] && break; sleep 0.2; done`
      .text,
  );
}

function describeEnd(host: string, kept: readonly string[], mark: string): string {
  if (kept.length === 0) return `${mark} ${host}: nothing of hostkit is left`;
  return [
    `${mark} ${host}: uninstalled; kept, because it is data:`,
    ...kept.map((id) => `    ${id}`),
    "  hostkit uninstall --delete-data removes it too",
  ].join("\n");
}
