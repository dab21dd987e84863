import type { System } from "../../facts/system/system.ts";
import type { Manifest, ServiceBase } from "../../manifest/schema.ts";
import type { ResourceId } from "../../resources/resource.ts";
import { databasePortOf } from "./database-place.ts";
import { bridgeIdOf, databaseAddress, passwordFilesOf } from "./database-tcp.ts";
import { databaseReadyId } from "./database.ts";

/** Where PostgreSQL's Unix socket is, on the host and in containers that asked for a database. */
export const socketDirectory = "/run/postgresql";

/** Where a container finds the files that `databaseMounts` names. */
const mountedSecrets = "/run/secrets";

/**
 * The variables by which libpq and its relatives find the database. Over the socket without a password: the socket knows
 * the user. By TCP with the files that hold it. The usual port is not named, which every driver knows.
 */
export function databaseEnvironment(
  { manifest, system }: { readonly manifest: Manifest; readonly system: System },
  service: Pick<ServiceBase, "name" | "runtime" | "database">,
): Record<string, string> {
  const access = service.database;
  if (access === undefined) return {};
  const common = { PGDATABASE: access.name, PGUSER: access.role };
  const name = encodeURIComponent(access.name);
  const role = encodeURIComponent(access.role);
  const port = databasePortOf(manifest, system);
  if (!access.tcp) {
    const isUsual = port === "5432";
    return {
      ...common,
      PGHOST: socketDirectory,
      ...(isUsual ? {} : { PGPORT: port }),
      // Slashes as they are (RFC 3986, 3.4 allows them in a query): a "%" is an escape to configparser and its kind.
      DATABASE_URL: `postgresql:///${name}?host=${socketDirectory}&user=${role}${isUsual ? "" : `&port=${port}`}`,
    };
  }
  const isContainer = service.runtime === "container";
  const host = isContainer ? databaseAddress : "127.0.0.1";
  const files = passwordFilesOf(manifest.stack, service);
  return {
    ...common,
    PGHOST: host,
    PGPORT: port,
    PGPASSFILE: isContainer ? `${mountedSecrets}/pgpass` : files.pgpass,
    DATABASE_PASSWORD_FILE: isContainer ? `${mountedSecrets}/DATABASE_PASSWORD` : files.bare,
    DATABASE_URL: `postgresql://${role}@${host}:${port}/${name}`,
  };
}

/** Files that a container needs in /run/secrets to log in by TCP. */
export function databaseMounts(
  manifest: Manifest,
  service: Pick<ServiceBase, "name" | "database">,
): { readonly name: string; readonly path: string }[] {
  if (service.database?.tcp !== true) return [];
  const files = passwordFilesOf(manifest.stack, service);
  return [
    { name: "DATABASE_PASSWORD", path: files.bare },
    { name: "pgpass", path: files.pgpass },
  ];
}

/** What a service with a database has to wait for. */
export function databaseAfter(
  manifest: Manifest,
  service: Pick<ServiceBase, "database" | "runtime">,
): ResourceId[] {
  if (service.database === undefined || manifest.database === undefined) return [];
  const isBridged = service.runtime === "container" && service.database.tcp;
  return [
    databaseReadyId(service.database.name),
    ...(isBridged ? [bridgeIdOf(manifest.stack)] : []),
  ];
}
