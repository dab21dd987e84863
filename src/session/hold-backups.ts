import { PassThrough } from "node:stream";
import { HostkitError } from "../errors.ts";
import { sh } from "../shell/script.ts";
import type { Connection } from "../ssh/connection.ts";
import { backupPlaces } from "../stack/backups/jobs.ts";
import { collectResults, newMarker } from "./project.ts";
import type { Project } from "./project.ts";

/** Backups and drills of the hosts that wait until this is let go of. */
export interface HeldBackups {
  /** @throws HostkitError host_unreachable where a host is not held any more */
  requireHeld(): void;
}

/**
 * Keeps the hosts from making backups while `work` goes on: they wait for the lock that this holds. It is let go of with the connection,
 * however that ends.
 * @throws HostkitError run_locked where one is being made now, host_unreachable
 */
export async function holdBackups<T>(
  project: Project,
  work: (held: HeldBackups) => Promise<T>,
): Promise<T> {
  const { hosts, manifest } = project;
  const opened = await Promise.allSettled(hosts.map((host) => host.connect()));
  const connections = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const release = new PassThrough();
  const lost: string[] = [];
  try {
    collectResults(hosts, opened);
    await Promise.all(
      connections.map((connection) => hold(connection, manifest.stack, release, lost)),
    );
    return await work({
      requireHeld() {
        const [host] = lost;
        if (host === undefined) return;
        throw new HostkitError("host_unreachable", {
          what: "the connection that kept backups from beginning is gone",
          where: host,
          why: "nothing more is removed",
          next: "the same command again",
        });
      },
    });
  } finally {
    release.end();
    for (const connection of connections) connection.close().catch(() => undefined);
  }
}

/** Resolves once the host's backups wait. */
async function hold(
  connection: Connection,
  stack: string,
  release: PassThrough,
  lost: string[],
): Promise<void> {
  const marker = newMarker();
  const input = new PassThrough();
  release.on("end", () => input.end());
  release.resume();
  let said = "";
  let isHeld = false;
  await new Promise<void>((resolve, reject) => {
    connection
      .exec(
        sh`lock=${backupPlaces(stack).lock}
if [ -e "$lock" ]; then
  exec 9<"$lock"
  flock -n 9 || exit 75
fi
echo ${marker}
cat >/dev/null`.text,
        {
          stdin: input,
          onStdout(chunk) {
            said += chunk.toString();
            if (!said.includes(marker)) return;
            isHeld = true;
            resolve();
          },
        },
      )
      .then(({ code, stderr }) => {
        if (isHeld) lost.push(connection.host);
        else reject(explain(connection.host, code, stderr));
      })
      .catch((error: unknown) => {
        if (isHeld) lost.push(connection.host);
        else reject(error instanceof Error ? error : new Error(String(error)));
      });
  });
}

function explain(host: string, code: number | null, stderr: string): HostkitError {
  return code === 75
    ? new HostkitError("run_locked", {
        what: "a backup or a drill is going on there",
        where: host,
        why: "what it needs must not be removed meanwhile; nothing was removed",
        next: "the same command again when it has ended: hostkit status",
      })
    : new HostkitError("run_failed", {
        what: "the host's backups could not be made to wait",
        where: host,
        details: stderr.trim().split("\n").slice(-4),
      });
}
