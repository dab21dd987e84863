import { findDistribution, nameRelease } from "../distributions.ts";
import { HostkitError } from "../errors.ts";
import type { ErrorParts } from "../errors.ts";
import { candidateFacts } from "../facts/packages/candidate.ts";
import { need } from "../facts/fact.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import type { ClusterFact } from "../facts/postgres/cluster.ts";
import { clusterFacts } from "../facts/postgres/postgres.ts";
import { postgresConfigDirectory } from "../facts/postgres/psql.ts";
import type { System } from "../facts/system/system.ts";
import type { Manifest } from "../manifest/schema.ts";
import { servicesOf } from "../manifest/services.ts";
import { postgresMajorOf } from "../stack/database/database-place.ts";
import type { Plan } from "./types.ts";

interface Input {
  readonly manifest: Manifest;
  readonly system: System;
  readonly plan: Plan;
}

/** PostgreSQL's part of what is asked before a run; nothing where the plan leaves it alone. */
export function postgresNeeds(input: Input): FactNeed[] {
  const major = majorOf(input);
  if (major === undefined) return [];
  const isOther = findDistribution(input.system)?.postgresql !== major;
  return [
    need(clusterFacts, String(major)),
    ...(isOther && installs(input.plan, major)
      ? [need(candidateFacts, `postgresql-${major}`)]
      : []),
  ];
}

/**
 * What hostkit would stumble over in a cluster that is there, and a version that nobody has.
 * @param facts of `postgresNeeds`
 */
export function findPostgresObstacles(input: Input, facts: Facts): HostkitError[] {
  const { manifest, system, plan } = input;
  const major = majorOf(input);
  if (major === undefined) return [];
  const refuse = (parts: ErrorParts): HostkitError =>
    new HostkitError("os_unsupported", {
      ...parts,
      where: plan.host,
      why: `${parts.why === undefined ? "" : `${parts.why}; `}nothing was changed`,
    });
  if (facts.get(candidateFacts, `postgresql-${major}`) === "none") {
    const own = findDistribution(system)?.postgresql;
    return [
      refuse({
        what: `the host's apt sources have no postgresql-${major}`,
        why:
          own === undefined
            ? "database.version asks for it"
            : `database.version asks for it, and ${nameRelease(system)} brings PostgreSQL ${own}`,
        next: `write database: { version: ${own ?? "distro"} }, or add a source that has it (https://wiki.postgresql.org/wiki/Apt) and run apt-get update on the host`,
      }),
    ];
  }
  const cluster = facts.get(clusterFacts, String(major));
  const found = cluster === undefined ? undefined : explainCluster(manifest, major, cluster);
  return found === undefined ? [] : [refuse(found)];
}

function majorOf({ manifest, system, plan }: Input): number | undefined {
  const { database } = manifest;
  const isTouched = plan.changes.some(({ touches }) => touches?.includes("postgres") === true);
  return database === undefined || !isTouched ? undefined : postgresMajorOf(database, system);
}

function installs({ changes }: Plan, major: number): boolean {
  const name = `postgresql-${major}`;
  return changes.some(
    (change) => change.installs?.some((word) => word.split("=")[0] === name) === true,
  );
}

/** The first thing that keeps hostkit from this cluster; undefined where it may go on. */
function explainCluster(
  manifest: Manifest,
  major: number,
  cluster: ClusterFact,
): ErrorParts | undefined {
  const name = `PostgreSQL's cluster ${major}/main`;
  const config = postgresConfigDirectory(major);
  if (cluster.state === "missing") return explainMissing(manifest, major, cluster.others);
  if (cluster.owner !== "postgres")
    return {
      what: `${name} belongs to the user ${cluster.owner}`,
      why: "hostkit only knows clusters of the user postgres",
      next: "take another database.version: hostkit then makes a cluster of its own beside this one",
    };
  return (
    explainStopped(name, config, major, cluster) ??
    explainUse(name, manifest, cluster) ??
    explainUnreachable(manifest, major, cluster)
  );
}

/** It does not run, or lets nobody in. */
function explainStopped(
  name: string,
  config: string,
  major: number,
  cluster: ClusterFact,
): ErrorParts | undefined {
  if (cluster.start === "disabled" && cluster.state === "down")
    return {
      what: `${name} is switched off: start.conf says disabled`,
      next: `on the host: echo auto >${config}/start.conf`,
    };
  if (cluster.state === "down" && cluster.words.length > 0)
    return {
      what: `${name} does not run, and would not start with its files as they are`,
      details: cluster.words.slice(0, 8),
      next: `mend ${config}/postgresql.conf on the host, then: systemctl start postgresql@${major}-main`,
    };
  if (cluster.state === "refuses")
    return {
      what: `${name} runs, but does not let hostkit in`,
      why: "hostkit logs in over the socket as the user and role postgres",
      details: cluster.words.slice(0, 8),
      next: `put this line at the top of ${config}/pg_hba.conf: local all postgres peer   then: systemctl reload postgresql@${major}-main`,
    };
  return undefined;
}

/** It has another use already. */
function explainUse(
  name: string,
  manifest: Manifest,
  cluster: ClusterFact,
): ErrorParts | undefined {
  if (cluster.isStandby)
    return {
      what: `${name} follows another server (it is in recovery): nothing can be written into it`,
      next: "provision the primary server, or promote this one first",
    };
  const archiver = cluster.archiveCommand;
  if (manifest.backups?.postgres !== undefined && !isOwnArchiver(archiver, manifest.stack))
    return {
      what: `${name} archives its WAL already: ${archiver}`,
      why: "a server has one archive_command, and hostkit's backups would take this one's place",
      next: "leave backups.postgres out of the manifest, or set archive_mode = off on the host first",
    };
  return undefined;
}

/** Where services would look for the server, and it is not. */
function explainUnreachable(
  manifest: Manifest,
  major: number,
  cluster: ClusterFact,
): ErrorParts | undefined {
  const name = `PostgreSQL's cluster ${major}/main`;
  const config = postgresConfigDirectory(major);
  const users = servicesOf(manifest).flatMap(({ database }) => database ?? []);
  if (users.some(({ tcp }) => !tcp) && !cluster.sockets.includes("/run/postgresql"))
    return {
      what: `${name} has no socket in /run/postgresql: unix_socket_directories is ${cluster.sockets.join(", ") || "empty"}`,
      why: "services find it there, in containers too",
      next: `add /var/run/postgresql to unix_socket_directories in ${config}/postgresql.conf, then: systemctl restart postgresql@${major}-main`,
    };
  if (users.some(({ tcp }) => tcp) && !isOnLoopback(cluster.listen))
    return {
      what: `${name} does not listen on 127.0.0.1: listen_addresses is '${cluster.listen}'`,
      why: "services with tcp: true reach it there",
      next: `add 127.0.0.1 to listen_addresses in ${config}/postgresql.conf, then: systemctl restart postgresql@${major}-main`,
    };
  return undefined;
}

/** An upgraded host: the data is in the older cluster, and an empty new one beside it would look like a loss. */
function explainMissing(
  { database }: Manifest,
  major: number,
  others: readonly string[],
): ErrorParts | undefined {
  const older = others.filter((name) => name.endsWith("/main"));
  if (database?.version !== "distro" || older.length === 0) return undefined;
  return {
    what: `the host has PostgreSQL's cluster ${older.join(", ")}, and none of version ${major}`,
    why: "hostkit does not guess which one is meant",
    next: `write database: { version: ${older[0]?.split("/")[0]} } to use what is there, or version: ${major} for a new, empty cluster beside it`,
  };
}

function isOwnArchiver(command: string, stack: string): boolean {
  return ["", "(disabled)", `pgbackrest --stanza=${stack} archive-push %p`].includes(command);
}

function isOnLoopback(listen: string): boolean {
  return listen
    .split(",")
    .map((one) => one.trim())
    .some((one) => ["*", "0.0.0.0", "localhost", "127.0.0.1"].includes(one));
}
