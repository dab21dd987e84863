import { sh } from "../shell/script.ts";
import { backupPlaces } from "../stack/backups/jobs.ts";
import type { BackupJob } from "../stack/backups/jobs.ts";
import type { OperationStep } from "./operation.ts";
import { unitId } from "../resources/units/unit.ts";

/** The jobs one after the other: they share repositories. */
export function planBackupRun(stack: string, jobs: readonly BackupJob[]): OperationStep[] {
  return jobs.map(({ name, service, tool }) => ({
    id: unitId(service),
    title: `make the backup ${name}`,
    because: "asked for",
    // The unit itself may take a day.
    bound: { seconds: 25 * 3600, waitsFor: `the backup ${name}` },
    // Read and taken away by backup-files: retention does not count it among those of the timer.
    script: sh`${tool === "files" ? sh`: >${`${backupPlaces(stack).reports}/files/by-hand`}` : sh`:`}
systemctl start -- ${service} && exit 0
journalctl --no-pager -q -n 12 -o cat -u ${service} >&2
exit 1`,
  }));
}
