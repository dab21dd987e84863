import { HostkitError } from "../errors.ts";
import { sh } from "../shell/script.ts";
import { unitsOfRuns } from "./run.ts";
import type { Connection } from "../ssh/connection.ts";

/**
 * The runner's last act, after it has said so, is to remove its own folder: whoever looks earlier sees half of it, and whoever provisions
 * next must not meet its lock.
 * @param isFolderGoing nothing of the stack stays, unless the run wrote down what is kept
 * @throws HostkitError run_interrupted where the runner ended before; internal after five minutes
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
  const { stdout } = await connection.exec(
    sh`i=0 idle=0
while ${isGoing} && [ "$i" -lt 1500 ] && [ "$idle" -lt 10 ]; do
  i=$((i + 1)) idle=$((idle + 1))
  # Nobody is left who would take it away.
  [ -z "$(systemctl list-units --plain --no-legend ${unitsOfRuns(stackDirectory)})" ] || idle=0
  sleep 0.2
done
[ "$idle" -lt 10 ] || { echo alone; exit 0; }
while [ -e ${lock} ] && [ "$i" -lt 1500 ] && ! flock -n 9 9<${lock}; do i=$((i + 1)); sleep 0.2; done
[ "$i" -ge 1500 ] || echo over`.text,
    { timeoutMs: 400_000 },
  );
  const said = stdout.trim();
  if (said === "over") return;
  if (said === "alone")
    throw new HostkitError("run_interrupted", {
      what: `the runner was ended before it had taken ${stackDirectory} away`,
      where: connection.description,
      why: "all its changes were made; what hostkit knew of the stack is still there",
      next: "hostkit uninstall   finishes it",
    });
  throw new HostkitError("internal", {
    what: `the run has ended, and five minutes later ${stackDirectory} is not gone or still locked`,
    where: connection.description,
    next: `look who uses it (fuser -v ${lock}), then: hostkit uninstall   again says what is left`,
  });
}
