import { expect, test } from "vitest";
import { Facts } from "../../../src/facts/fact.ts";
import type { ClusterFact } from "../../../src/facts/postgres/cluster.ts";
import { clusterFacts } from "../../../src/facts/postgres/postgres.ts";
import { makeOperation } from "../../../src/plan/operation.ts";
import {
  planRestorePoint,
  restorePointId,
  withRestorePoint,
} from "../../../src/plan/restore-point.ts";
import { backupRepository } from "../../../src/resources/backups/repository.ts";
import type { ResourceId } from "../../../src/resources/resource.ts";
import { sh } from "../../../src/shell/script.ts";

const running = {
  ...{
    state: "running",
    isStandby: false,
    archiveCommand: "pgbackrest --stanza=app archive-push %p",
  },
} as ClusterFact;

const repository = (pointsOf?: number) =>
  backupRepository("postgres", {
    ...{ stackDirectory: "/s", markers: [], inputs: "", leaves: [], watches: [], prepare: sh`:` },
    ...(pointsOf === undefined ? {} : { pointsOf }),
  });

const planOf = (...ids: readonly ResourceId[]) =>
  makeOperation({
    ...{ verb: "provision", host: "h", stack: "app", stackDirectory: "/s" },
    steps: ids.map((id) => ({ id, title: id, because: "", script: sh`:` })),
  });

const factsWith = (cluster: ClusterFact) =>
  new Facts(new Map([[clusterFacts.name, new Map([["17", cluster]])]]));

test("what changes the database waits for a restore point, what does not does not", () => {
  const plan = planOf("file:/a", "postgres-migrations:app", "release:page");
  const { changes } = withRestorePoint(plan, [repository(17)], factsWith(running));
  expect(changes.map(({ id, waitsFor }) => [id, waitsFor.includes(restorePointId)])).toEqual([
    [restorePointId, false],
    ["file:/a", false],
    ["postgres-migrations:app", true],
    ["release:page", true],
  ]);
  expect(changes[0]).toMatchObject({ mayFail: true, waitsFor: [] });
});

test.each([
  ["nothing changes", planOf(), [repository(17)], running],
  ["only files change", planOf("file:/a", "unit:x.service"), [repository(17)], running],
  ["WAL is not kept", planOf("release:page"), [repository()], running],
  ["there are no backups", planOf("release:page"), [], running],
  ["it follows another", planOf("release:page"), [repository(17)], { ...running, isStandby: true }],
  ["it is down", planOf("release:page"), [repository(17)], { ...running, state: "down" as const }],
  [
    "WAL is archived by others",
    planOf("release:page"),
    [repository(17)],
    { ...running, archiveCommand: "cp %p /x" },
  ],
])("no restore point where %s", (_, plan, resources, cluster) => {
  expect(withRestorePoint(plan, resources, factsWith(cluster))).toBe(plan);
});

test("an operation has one of its own where the WAL goes into this stack's archive", () => {
  const [point] = planRestorePoint("app", 17, factsWith(running), "rollback page: to r1");
  expect(point).toMatchObject({ id: restorePointId, mayFail: true });
  expect(point?.script.text).toContain("'rollback page: to r1'");
  expect(planRestorePoint("other", 17, factsWith(running), "")).toEqual([]);
  expect(planRestorePoint("app", 17, new Facts(new Map()), "")).toEqual([]);
});
