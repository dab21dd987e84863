import { sh } from "../shell/script.ts";
import type { BackupJob } from "../stack/backups/jobs.ts";
import type { OperationStep } from "./operation.ts";

/** The jobs one after the other: they share repositories. */
export function planBackupRun(jobs: readonly BackupJob[]): OperationStep[] {
  return jobs.map(({ name, service }) => ({
    id: `unit:${service}`,
    title: `make the backup ${name}`,
    because: "asked for",
    // The unit itself may take a day.
    bound: { seconds: 25 * 3600, waitsFor: `the backup ${name}` },
    script: sh`systemctl start -- ${service} && exit 0
journalctl --no-pager -q -n 12 -o cat -u ${service} >&2
exit 1`,
  }));
}
