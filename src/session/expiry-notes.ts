import { HostkitError } from "../errors.ts";
import { expiredRecordOf } from "../facts/backups/expired.ts";
import { planExpiryRecord } from "../plan/expiry-record.ts";
import type { Context } from "./context.ts";
import { noteOnHosts } from "./note-on-hosts.ts";
import type { Project } from "./project.ts";

/** Lets each host remember that old backups were removed. One that cannot be told is named, and nothing else. */
export async function recordExpiry(
  context: Context,
  project: Project,
  repositories: readonly string[],
): Promise<void> {
  const { stack } = project.manifest;
  const now = Math.floor(Date.now() / 1000);
  try {
    await noteOnHosts(context, project, "backup expire", () =>
      planExpiryRecord(expiredRecordOf(stack), repositories, now),
    );
  } catch (error) {
    if (!(error instanceof HostkitError)) throw error;
    context.note(
      `the host could not be told that old backups were removed, so that its status may go on asking for it: ${error.parts.what}`,
    );
  }
}
