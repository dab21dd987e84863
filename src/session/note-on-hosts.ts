import { assertRunOk } from "../host/outcome.ts";
import { makeOperation } from "../plan/operation.ts";
import type { OperationStep } from "../plan/operation.ts";
import type { Context } from "./context.ts";
import { onEachHost } from "./project.ts";
import type { Project } from "./project.ts";
import { executeRun, showRuns } from "./watch-run.ts";

/**
 * Lets each host remember that something was done elsewhere, by a run of its own.
 * @param verb what was done
 * @throws HostkitError run_failed and the like, where a run does not end well
 */
export async function noteOnHosts(
  context: Context,
  project: Project,
  verb: string,
  stepsOf: (host: string) => OperationStep[],
): Promise<void> {
  const { stackDirectory, manifest } = project;
  await showRuns(
    context,
    project,
    (show) =>
      onEachHost(project.hosts, async (connection, host) => {
        const plan = makeOperation({
          ...{ verb, host: host.name, stack: manifest.stack, stackDirectory },
          steps: stepsOf(host.name),
        });
        assertRunOk(await executeRun(context, project, host, connection, plan, show), host.name);
      }),
    "live-only",
  );
}
