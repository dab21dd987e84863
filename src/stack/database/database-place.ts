import { distributionOf } from "../../distributions.ts";
import type { ClusterPlace } from "../../facts/postgres/cluster.ts";
import { dataDirectory } from "../../facts/postgres/psql.ts";
import type { System } from "../../facts/system/system.ts";
import type { Database, Manifest } from "../../manifest/schema.ts";

/**
 * The major version of PostgreSQL on a host.
 * @throws HostkitError os_unsupported where `distro` is asked of a distribution that is not known
 */
export function postgresMajorOf(database: Database, system: System): number {
  return database.version === "distro" ? distributionOf(system).postgresql : database.version;
}

/** Where the cluster is: as the host was seen; before that, as its package makes it. */
export function placeOfCluster(major: number, { clusters }: System): ClusterPlace {
  return (
    clusters?.[String(major)] ?? {
      port: 5432,
      data: dataDirectory(major),
      outside: [],
      listen: "localhost",
      isMade: true,
    }
  );
}

/** The port of the stack's PostgreSQL: other clusters of the host may have the usual one. */
export function databasePortOf({ database }: Manifest, system: System): string {
  if (database === undefined) return "5432";
  return String(placeOfCluster(postgresMajorOf(database, system), system).port);
}

/** Places that systemd's own folders for a unit hide (systemd.exec(5): ProtectHome=, PrivateTmp=, PrivateDevices=). */
const hidden = /^\/(?:home|root|run\/user|tmp|var\/tmp|dev|proc|sys)(?:\/|$)/;

/**
 * The folders beside Debian's own that a sandbox has to leave writable, where they really are.
 * undefined: no sandbox. What was there before may do things that nobody can know of (an archive_command, COPY to a file, servers
 * that follow it), and what lies in hidden places would not be found.
 */
export function sandboxOf({ isMade, outside }: ClusterPlace): readonly string[] | undefined {
  const isPlain = outside.every((path) => /^[\w./@+-]+$/.test(path) && !hidden.test(path));
  if (!isMade || !isPlain) return undefined;
  return outside;
}
