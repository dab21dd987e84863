import { sh } from "../shell/script.ts";
import { drillUnitOf } from "../stack/backups/jobs.ts";
import type { BackupDrill } from "../stack/backups/jobs.ts";
import type { OperationStep } from "./operation.ts";
import { unitId } from "../resources/units/unit.ts";

/**
 * Each drill of each repository, one after the other: one that fails does not keep the next from being looked into.
 * @param only the one repository that is asked for
 */
export function planBackupVerify(
  drills: readonly BackupDrill[],
  only: string | undefined,
): OperationStep[] {
  const wanted = drills.flatMap((drill) =>
    drill.repositories
      .filter((repository) => only === undefined || repository === only)
      .map((repository) => ({ drill, repository, service: drillUnitOf(drill, repository) })),
  );
  return wanted.map(({ drill, repository, service }, index) => ({
    id: unitId(service),
    title: `restore the newest backup of ${drill.tool} in ${repository}, and look into it`,
    because: "asked for",
    // The unit itself may take a day, and wait for another one.
    bound: { seconds: 50 * 3600, waitsFor: `the drill of ${drill.tool} in ${repository}` },
    ...(index < wanted.length - 1 ? { mayFail: true as const } : {}),
    script: sh`systemctl start -- ${service} && exit 0
journalctl --no-pager -q -n 12 -o cat -u ${service} >&2
exit 1`,
  }));
}
