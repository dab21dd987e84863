import { HostkitError } from "../errors.ts";
import { sh } from "../shell/script.ts";
import type { Connection } from "../ssh/connection.ts";

/**
 * The runner's last act, after it has said so, is to remove its own folder: whoever looks earlier sees half of it, and whoever provisions
 * next must not meet its lock.
 * @param isFolderGoing nothing of the stack stays, unless the run wrote down what is kept
 * @throws HostkitError internal after five minutes
 */
export async function waitForCleanup(
  connection: Connection,
  stackDirectory: string,
  isFolderGoing: boolean,
): Promise<void> {
  const isGoing = isFolderGoing
    ? sh`[ -d ${stackDirectory} ] && [ ! -s ${`${stackDirectory}/kept`} ]`
    : sh`false`;
  const lock = `${stackDirectory}/lock`;
  // Never by the lock's name: flock(1) would make it anew in the folder that goes.
  const { code } = await connection.exec(
    sh`i=0
while ${isGoing} && [ "$i" -lt 1500 ]; do i=$((i + 1)); sleep 0.2; done
while [ -e ${lock} ] && [ "$i" -lt 1500 ] && ! flock -n 9 9<${lock}; do i=$((i + 1)); sleep 0.2; done
[ "$i" -lt 1500 ]`.text,
    { timeoutMs: 400_000 },
  );
  if (code === 0) return;
  throw new HostkitError("internal", {
    what: `the run has ended, and five minutes later ${stackDirectory} is not gone or still locked`,
    where: connection.description,
    next: `look who uses it (fuser -v ${lock}), then: hostkit uninstall   again says what is left`,
  });
}
