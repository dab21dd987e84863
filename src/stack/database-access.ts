import type { Manifest, ServiceBase } from "../manifest/schema.ts";
import type { ResourceId } from "../resources/resource.ts";
import { databaseReadyId } from "./database.ts";

/** Where PostgreSQL's Unix socket is, on the host and in containers that asked for a database. */
export const socketDirectory = "/run/postgresql";

/** The variables by which libpq and its relatives find the database; no password: the socket knows the user. */
export function databaseEnvironment(
  _manifest: Manifest,
  service: Pick<ServiceBase, "database">,
): Record<string, string> {
  const access = service.database;
  if (access === undefined) return {};
  return {
    PGHOST: socketDirectory,
    PGDATABASE: access.name,
    PGUSER: access.role,
    DATABASE_URL: `postgresql:///${encodeURIComponent(access.name)}?host=${encodeURIComponent(socketDirectory)}&user=${encodeURIComponent(access.role)}`,
  };
}

/** What a service with a database has to wait for. */
export function databaseAfter(
  manifest: Manifest,
  service: Pick<ServiceBase, "database">,
): ResourceId[] {
  return service.database === undefined || manifest.database === undefined
    ? []
    : [databaseReadyId(manifest, service.database.name)];
}
