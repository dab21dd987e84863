import { HostkitError } from "../../errors.ts";
import { need } from "../../facts/fact.ts";
import type { Facts } from "../../facts/fact.ts";
import { lockFacts } from "../../facts/lock.ts";
import type { ClusterFact } from "../../facts/postgres/cluster.ts";
import { clusterFacts, postgresFacts } from "../../facts/postgres/postgres.ts";
import type { PostgresFact } from "../../facts/postgres/postgres.ts";
import { restoreFacts, restoreSubject } from "../../facts/postgres/restore.ts";
import type { RestoreFact } from "../../facts/postgres/restore.ts";
import { systemFacts, systemSubject } from "../../facts/system/system.ts";
import type { SystemFact } from "../../facts/system/system.ts";
import { targetFacts } from "../../facts/units/target.ts";
import { gatherFacts } from "../../host/gather.ts";
import { checkSystem } from "../../host/inspect.ts";
import { explainLocked } from "../../host/outcome.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { servicesOf } from "../../manifest/services.ts";
import type { ClusterRestore, RestorePlace } from "../../plan/restore/postgres.ts";
import { newMarker } from "../../session/project.ts";
import type { Project } from "../../session/project.ts";
import type { Connection } from "../../ssh/connection.ts";
import { backupPlaces } from "../../stack/backups/jobs.ts";
import { repositoriesOf } from "../../stack/backups/storages/storages.ts";
import { postgresMajorOf } from "../../stack/database/database-place.ts";
import { targetOf, userOf } from "../../stack/names.ts";
import { activeUnitNeeds, unitsOfService } from "../../stack/services/active-units.ts";

/** A stack's cluster on one host, as it was seen. */
export interface SeenCluster {
  readonly major: number;
  /** Seconds since the epoch on the host. */
  readonly now: number;
  readonly cluster: ClusterFact;
  /** Absent where it does not answer. */
  readonly live: PostgresFact | undefined;
  readonly restore: RestoreFact;
  readonly place: RestorePlace;
  /** Units of services that use it and are not stopped. */
  readonly units: readonly string[];
  readonly proof: Pick<ClusterRestore, "logins" | "owners">;
}

/** @throws HostkitError usage where the manifest does not back PostgreSQL up */
export function assertBackedUp(manifest: Manifest): void {
  if (manifest.database !== undefined && manifest.backups?.postgres !== undefined) return;
  throw new HostkitError("usage", {
    what: "the manifest makes no backups of PostgreSQL",
    why: "backups.postgres says where they are, and there is none",
    next: "docs/manifest/backups.md",
  });
}

/**
 * Looks at the cluster, its backups and what an earlier restore left.
 * @throws HostkitError run_locked, os_unsupported, usage where there is no cluster or it follows another server
 */
export async function lookAtCluster(
  connection: Connection,
  { manifest, stackDirectory }: Project,
): Promise<SeenCluster> {
  const { database, stack } = manifest;
  if (database === undefined) throw new TypeError("no database section");
  const system = await lookAtSystem(connection, stackDirectory);
  const major = postgresMajorOf(database, system);
  const subject = restoreSubject(stack, major, repositoriesOf(manifest, "postgres").length);
  const facts = await gatherFacts(
    connection,
    [
      need(clusterFacts, String(major)),
      need(postgresFacts, String(major)),
      need(restoreFacts, subject),
      need(targetFacts, targetOf(stack)),
      ...activeUnitNeeds(manifest),
    ],
    newMarker(),
  );
  const restore = facts.get(restoreFacts, subject);
  const cluster = requireServer(
    restore === undefined ? undefined : facts.get(clusterFacts, String(major)),
    major,
    connection,
  );
  if (restore === undefined) throw new TypeError("a cluster and nothing of its backups");
  return {
    ...{ major, now: system.time, cluster, restore },
    live: facts.get(postgresFacts, String(major)),
    place: {
      ...{ stack, major, data: restore.data, port: cluster.port },
      socket: cluster.sockets[0] ?? "/run/postgresql",
      backupLock: backupPlaces(stack).lock,
    },
    units: findUnits(manifest, facts),
    proof: { logins: listLogins(manifest), owners: listOwners(database) },
  };
}

/** @throws HostkitError run_locked, os_unsupported */
async function lookAtSystem(connection: Connection, stackDirectory: string): Promise<SystemFact> {
  const facts = await gatherFacts(
    connection,
    [need(systemFacts, systemSubject), need(lockFacts, stackDirectory)],
    newMarker(),
  );
  const system = facts.get(systemFacts, systemSubject);
  checkSystem(system, connection);
  const holder = facts.get(lockFacts, stackDirectory);
  if (holder !== undefined) throw explainLocked(connection.description, holder);
  return system;
}

/** @throws HostkitError usage where there is none, or it only follows another one */
function requireServer(
  cluster: ClusterFact | undefined,
  major: number,
  { description: where }: Connection,
): ClusterFact {
  if (cluster === undefined || cluster.state === "missing")
    throw new HostkitError("usage", {
      ...{ what: `there is no PostgreSQL ${major} on this host yet`, where },
      next: "hostkit provision",
    });
  if (cluster.isStandby)
    throw new HostkitError("usage", {
      ...{ what: `PostgreSQL ${major}/main follows another server`, where },
      next: "restore the server that it follows",
    });
  return cluster;
}

function listOwners({ databases }: NonNullable<Manifest["database"]>): ClusterRestore["owners"] {
  return databases.map(({ name, owner }) => ({ role: owner, database: name }));
}

/** Logins by the socket, as the services have them. */
function listLogins(manifest: Manifest): ClusterRestore["logins"] {
  return servicesOf(manifest).flatMap((service) => {
    const { database } = service;
    if (database === undefined || database.tcp) return [];
    return [{ user: userOf(manifest, service), role: database.role, database: database.name }];
  });
}

function findUnits(manifest: Manifest, facts: Facts): string[] {
  const members = facts.get(targetFacts, targetOf(manifest.stack)) ?? [];
  const runs = (unit: string): boolean =>
    members.some((one) => one.unit === unit && one.activeState !== "inactive");
  return servicesOf(manifest)
    .filter(({ database }) => database !== undefined)
    .flatMap(({ name }) => unitsOfService(manifest, name, facts))
    .filter(runs);
}

/** How the repository is called in the manifest. */
export function nameRepository(manifest: Manifest, number: number): string {
  return repositoriesOf(manifest, "postgres")[number - 1]?.name ?? String(number);
}
