import { clusterFacts } from "../facts/postgres/postgres.ts";
import type { Facts } from "../facts/fact.ts";
import type { BackupRepositoryResource } from "../resources/backups/repository.ts";
import { restorePointScript } from "../resources/postgres/restore-point.ts";
import type { Resource, ResourceId } from "../resources/resource.ts";
import type { OperationStep } from "./operation.ts";
import type { Plan } from "./types.ts";

/** Kinds whose changes may change what is in a database, by themselves or by the program that comes with them. */
const meant =
  /^(?:postgres-(?:database|role|extensions|grants|migrations)|release|deb|packaged-program|download):/;

export const restorePointId: ResourceId = "restore-point:postgres";

/** Whether the WAL of the cluster goes into the archive of this stack. */
function isArchived(stack: string, major: number, facts: Facts): boolean {
  const cluster = facts.get(clusterFacts, String(major));
  return (
    cluster?.state === "running" &&
    !cluster.isStandby &&
    cluster.archiveCommand.includes(`--stanza=${stack} `)
  );
}

/**
 * A restore point before an operation that lets other programs work with the database; none where WAL does not go into the archive.
 * @param major PostgreSQL's, whose `clusterFacts` are known; undefined: there is none
 * @param why what is about to be done: "rollback page: to 20261128T…"
 */
export function planRestorePoint(
  stack: string,
  major: number | undefined,
  facts: Facts,
  why: string,
): OperationStep[] {
  if (major === undefined || !isArchived(stack, major, facts)) return [];
  return [
    {
      id: restorePointId,
      title: pointTitle,
      because: "another program is about to work with the database",
      script: restorePointScript(major, "", why),
      mayFail: true,
    },
  ];
}

const pointTitle = "write a restore point into the WAL";

/**
 * A plan that changes the database, or what works with it, begins with a restore point: `hostkit restore postgres --to name:…` goes back to
 * before it. Only where WAL is kept and archived already; others stay as they are.
 */
export function withRestorePoint(plan: Plan, resources: readonly Resource[], facts: Facts): Plan {
  const repository = resources.find(
    (one): one is BackupRepositoryResource =>
      one.kind === "backup-repository" && "pointsOf" in one && one.pointsOf !== undefined,
  );
  const major = repository?.pointsOf;
  if (major === undefined) return plan;
  const chosen = plan.changes.filter(
    ({ id, action, refusal }) => meant.test(id) && action !== "delete" && refusal === undefined,
  );
  if (chosen.length === 0 || !isArchived(plan.stack, major, facts)) return plan;
  const why = `${plan.verb}: ${chosen.map(({ id }) => id).join(", ")}`;
  return {
    ...plan,
    changes: [
      {
        id: restorePointId,
        action: "run",
        because: "the database, or what works with it, is about to be changed",
        ...{ kind: "restore-point", name: "postgres", group: "database" },
        heading: { shared: "database" },
        steps: [
          {
            type: "script",
            title: pointTitle,
            script: restorePointScript(major, "", why),
          },
        ],
        waitsFor: [],
        beginLines: "",
        stateLine: "",
        mayFail: true,
      },
      ...plan.changes.map((change) =>
        chosen.includes(change)
          ? { ...change, waitsFor: [...change.waitsFor, restorePointId] }
          : change,
      ),
    ],
  };
}
