import { HostkitError } from "../errors.ts";
import { expiredRecordOf } from "../facts/backups/expired.ts";
import { assertRunOk } from "../host/outcome.ts";
import { planExpiryRecord } from "../plan/expiry-record.ts";
import { makeOperation } from "../plan/operation.ts";
import type { Context } from "./context.ts";
import { onEachHost } from "./project.ts";
import type { Project } from "./project.ts";
import { executeRun, showRuns } from "./watch-run.ts";

/** Lets each host remember that old backups were removed. One that cannot be told is named, and nothing else. */
export async function recordExpiry(
  context: Context,
  project: Project,
  repositories: readonly string[],
): Promise<void> {
  const { stack } = project.manifest;
  const now = Math.floor(Date.now() / 1000);
  try {
    await showRuns(
      context,
      project,
      (show) =>
        onEachHost(project.hosts, async (connection, host) => {
          const plan = makeOperation({
            ...{ verb: "backup expire", host: host.name, stack },
            stackDirectory: project.stackDirectory,
            steps: planExpiryRecord(expiredRecordOf(stack), repositories, now),
          });
          assertRunOk(await executeRun(context, project, host, connection, plan, show), host.name);
        }),
      "live-only",
    );
  } catch (error) {
    if (!(error instanceof HostkitError)) throw error;
    context.note(
      `the host could not be told that old backups were removed, so that its status may go on asking for it: ${error.parts.what}`,
    );
  }
}
