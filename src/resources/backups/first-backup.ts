import { backupFacts } from "../../facts/backups/backup.ts";
import { need } from "../../facts/fact.ts";
import { fileFacts } from "../../facts/files/file.ts";
import { sh } from "../../shell/script.ts";
import { idOf } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";
import { reloadIfNeeded } from "../units/unit.ts";

/** That a job has made at least one backup in the present repositories: provision does not leave a host without one. */
export interface BackupFirstResource extends Resource {
  readonly kind: "backup-first";
  readonly stack: string;
  /** Name of the job, also the resource's. */
  readonly job: string;
  readonly service: string;
  /** What a report says of the repositories it was made in. */
  readonly inputs: string;
  /** Files of local repositories: one that is missing has no backup, whatever the reports say. */
  readonly markers: readonly string[];
}

/** Builds a first-backup resource. */
export function backupFirst(
  options: Omit<BackupFirstResource, "kind" | "name">,
): BackupFirstResource {
  return { kind: "backup-first", name: options.job, ...options };
}

export const backupFirstKind: ResourceKind<BackupFirstResource> = {
  kind: "backup-first",
  group: "backups",
  needs: (resource) => [
    need(backupFacts, resource.stack),
    ...resource.markers.map((path) => need(fileFacts, path)),
  ],

  diff(resource, facts): Change | undefined {
    const { stack, job, service, inputs } = resource;
    const report = facts.get(backupFacts, stack)?.succeeded[job];
    const isNew = resource.markers.some((path) => facts.get(fileFacts, path) === undefined);
    if (report !== undefined && report.inputs === inputs && !isNew) return undefined;
    return {
      id: idOf(resource),
      action: "run",
      because:
        report === undefined
          ? "no backup was made yet"
          : "no backup was made in the present repositories yet",
      steps: [
        {
          type: "script",
          title: `make the first backup (${service})`,
          // The unit itself may take a day.
          bound: { seconds: 25 * 3600, waitsFor: "the first backup" },
          script: sh`${reloadIfNeeded([service])}
since=$(date +%s)
if ! systemctl start ${service}; then
  journalctl -u ${service} --since "@$since" -n 20 --no-pager -o cat >&2 || true
  exit 1
fi`,
        },
      ],
    };
  },

  own: () => undefined,
  remove: () => undefined,
};
