import { HostkitError } from "../../errors.ts";
import { drillFacts } from "../../facts/backups/drill.ts";
import type { DrillRecord } from "../../facts/backups/drill.ts";
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
import type { Context } from "../../session/context.ts";
import type { HostAccess, Project } from "../../session/project.ts";
import type { Connection } from "../../ssh/connection.ts";
import { backupPlaces } from "../../stack/backups/jobs.ts";
import { repositoriesOf } from "../../stack/backups/storages/storages.ts";
import { postgresMajorOf } from "../../stack/database/database-place.ts";
import { targetOf, userOf } from "../../stack/names.ts";
import { activeUnitNeeds, unitsOfService } from "../../stack/services/active-units.ts";

export interface RestorePostgresOptions {
  readonly to: string;
  /** A repository's name. */
  readonly from?: string;
  /** A backup's label. */
  readonly set?: string;
  /** Only this database; with tables: the one that they are in. */
  readonly database?: string;
  /** Only these tables. */
  readonly table?: readonly string[];
  /** What the database, the table or the tables' schema is to be called. */
  readonly as?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** Where it is done, and for whom. */
export interface RestoreRun {
  readonly context: Context;
  readonly project: Project;
  readonly host: HostAccess;
  readonly connection: Connection;
}

/** A stack's cluster on one host, as it was seen. */
export interface SeenCluster {
  readonly major: number;
  /** Seconds since the epoch on the host. */
  readonly now: number;
  readonly cluster: ClusterFact;
  /** Absent where it does not answer. */
  readonly live: PostgresFact | undefined;
  readonly restore: RestoreFact;
  /** Oldest first. */
  readonly drills: readonly DrillRecord[];
  readonly place: RestorePlace;
  /** Units of services that use it and are not stopped. */
  readonly units: readonly string[];
  /** The same, by database. */
  readonly unitsByDatabase: ReadonlyMap<string, readonly string[]>;
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
      need(drillFacts, stack),
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
  const unitsByDatabase = findUnits(manifest, facts);
  return {
    ...{ major, now: system.time, cluster, restore },
    live: facts.get(postgresFacts, String(major)),
    drills: facts.get(drillFacts, stack)?.records ?? [],
    place: {
      ...{ stack, major, data: restore.data, port: cluster.port },
      socket: cluster.sockets[0] ?? "/run/postgresql",
      backupLock: backupPlaces(stack).lock,
    },
    units: [...unitsByDatabase.values()].flat(),
    unitsByDatabase,
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

function findUnits(manifest: Manifest, facts: Facts): Map<string, string[]> {
  const members = facts.get(targetFacts, targetOf(manifest.stack)) ?? [];
  const runs = (unit: string): boolean =>
    members.some((one) => one.unit === unit && one.activeState !== "inactive");
  const found = new Map<string, string[]>();
  for (const { name, database } of servicesOf(manifest)) {
    if (database === undefined) continue;
    const units = unitsOfService(manifest, name, facts).filter(runs);
    found.set(database.name, [...(found.get(database.name) ?? []), ...units]);
  }
  return found;
}

/** Who of the stack uses one database, and who proves that it is served. */
export function usersOfDatabase(
  { database }: Manifest,
  name: string,
  { unitsByDatabase, proof }: SeenCluster,
): Pick<ClusterRestore, "units"> & {
  readonly isOfStack: boolean;
  readonly proof: Pick<ClusterRestore, "logins" | "owners">;
} {
  const isIt = (one: { readonly database: string }): boolean => one.database === name;
  return {
    units: unitsByDatabase.get(name) ?? [],
    isOfStack: (database?.databases ?? []).some((one) => one.name === name),
    proof: { logins: proof.logins.filter(isIt), owners: proof.owners.filter(isIt) },
  };
}

/** How the repository is called in the manifest. */
export function nameRepository(manifest: Manifest, number: number): string {
  return repositoriesOf(manifest, "postgres")[number - 1]?.name ?? String(number);
}
