import { HostkitError } from "../errors.ts";
import { need } from "../facts/fact.ts";
import { textFacts } from "../facts/file.ts";
import { lockFacts } from "../facts/lock.ts";
import { systemFacts, systemSubject } from "../facts/system.ts";
import type { Connection } from "../host/connection.ts";
import { gatherFacts } from "../host/gather.ts";
import { assertRunOk } from "../host/outcome.ts";
import { makeRemovalPlan, planNeeds } from "../plan/plan.ts";
import type { Plan } from "../plan/plan.ts";
import { parseState, statePath } from "../plan/state.ts";
import { describePlans, renderPlan } from "../report/plan.ts";
import { sh } from "../shell/script.ts";
import { confirmOrRefuse, executeRun, showRuns } from "./execution.ts";
import type { Verb } from "./program.ts";
import { collectResults, newMarker, openProject } from "./project.ts";
import type { HostAccess, Project } from "./project.ts";

interface UninstallOptions {
  readonly yes?: boolean;
  readonly deleteData?: boolean;
}

interface Site {
  readonly host: HostAccess;
  readonly connection: Connection;
  readonly plan: Plan;
  readonly system: string;
}

/** Takes away what hostkit owns on the hosts; the manifest only says which stack and which hosts. */
export const runUninstall: Verb<UninstallOptions> = async (context, options) => {
  const project = await openProject(context);
  const deleteData = options.deleteData === true;
  const connections: Connection[] = [];
  try {
    const sites = collectResults(
      project.hosts,
      await Promise.allSettled(
        project.hosts.map(async (host) => {
          const connection = await host.connect();
          connections.push(connection);
          return lookForRemoval(project, host, connection, deleteData);
        }),
      ),
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
    const busy = sites.filter(({ plan }) => plan.changes.length > 0);
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
    for (const { host, connection } of sites) {
      const kept = await forgetStack(project, connection);
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
  if (lockedBy !== undefined) {
    throw new HostkitError("run_locked", {
      what: "another run is going on for this stack",
      where: host.name,
      why: lockedBy,
      next: "hostkit attach",
    });
  }
  const owned = parseState(first.get(textFacts, statePath(stackDirectory)) ?? "");
  const facts = await gatherFacts(
    connection,
    planNeeds(stackDirectory, [], owned.values()),
    newMarker(),
  );
  const plan = makeRemovalPlan({
    host: host.name,
    stack: manifest.stack,
    stackDirectory,
    resources: [],
    facts,
    deleteData,
  });
  return {
    host,
    connection,
    plan,
    system: facts.get(systemFacts, systemSubject)?.prettyName ?? "",
  };
}

/**
 * Removes hostkit's own folder of the stack once nothing is owned any more, and folders it made that are empty now.
 * @returns ids of what is still owned: data that was kept
 */
async function forgetStack(project: Project, connection: Connection): Promise<string[]> {
  const { stackDirectory } = project;
  const state = statePath(stackDirectory);
  const facts = await gatherFacts(connection, [need(textFacts, state)], newMarker());
  const kept = [...parseState(facts.get(textFacts, state) ?? "").keys()];
  const tidy = sh`if [ -f ${`${stackDirectory}/directories`} ]; then
  sort -ru ${`${stackDirectory}/directories`} | while IFS= read -r d; do rmdir -- "$d" 2>/dev/null || true; done
fi`;
  const forget = sh`rm -rf ${stackDirectory}
cd /var/lib/hostkit 2>/dev/null || exit 0
for left in *; do [ "$left" = secret.key ] || [ "$left" = '*' ] || exit 0; done
rm -f secret.key
rmdir /var/lib/hostkit`;
  await connection.exec(kept.length === 0 ? `${tidy.text}\n${forget.text}` : tidy.text);
  return kept;
}

function describeEnd(host: string, kept: readonly string[], mark: string): string {
  if (kept.length === 0) return `${mark} ${host}: nothing of hostkit is left`;
  return [
    `${mark} ${host}: uninstalled; kept, because it is data:`,
    ...kept.map((id) => `    ${id}`),
    "  hostkit uninstall --delete-data removes it too",
  ].join("\n");
}
