import type { System } from "../../facts/system/system.ts";
import type { Manifest, ServiceBase } from "../../manifest/schema.ts";
import type { ResourceId } from "../../resources/resource.ts";
import type { OpenValue, SecretFile } from "../services/variables.ts";
import { databasePortOf } from "./database-place.ts";
import { passwordFilesOf } from "./database-tcp.ts";
import { databaseReadyId } from "./database.ts";

/** Where PostgreSQL's Unix socket is, on the host and in containers that asked for a database. */
const socketDirectory = "/run/postgresql";

/** The usual port, which every driver knows. */
const usualPort = "5432";

/** The database that a workload logs in to. */
export interface WorkloadDatabase {
  readonly name: string;
  readonly role: string;
  /** Absent: the usual one. */
  readonly port?: string;
  /** The folder with the socket, which knows the user; absent: by TCP, with a password. */
  readonly socket?: string;
}

interface DatabaseWay {
  readonly database: WorkloadDatabase;
  /** The variables by which libpq and its relatives find it. */
  readonly told: Readonly<Record<string, OpenValue>>;
  /** What a password is read from. */
  readonly files: readonly SecretFile[];
}

/** The way from a service to its database: over the socket without a password, by TCP with the files that hold it. */
export function describeDatabase(
  { manifest, system }: { readonly manifest: Manifest; readonly system: System },
  service: Pick<ServiceBase, "name" | "database">,
): DatabaseWay | undefined {
  const access = service.database;
  if (access === undefined) return undefined;
  const port = databasePortOf(manifest, system);
  const { name, role } = access;
  const database = { name, role, ...(port === usualPort ? {} : { port }) };
  if (!access.tcp) {
    return {
      database: { ...database, socket: socketDirectory },
      told: tellSocket(database),
      files: [],
    };
  }
  const { bare, pgpass } = passwordFilesOf(manifest.stack, service);
  const password = { kind: "made", name: "DATABASE_PASSWORD", path: bare } as const;
  const passFile = { kind: "made", name: "pgpass", path: pgpass } as const;
  return {
    database,
    files: [password, passFile],
    told: {
      ...tellCommon(database),
      PGHOST: [{ place: "database" }],
      PGPORT: [port],
      PGPASSFILE: [{ place: "file", file: passFile }],
      DATABASE_PASSWORD_FILE: [{ place: "file", file: password }],
      DATABASE_URL: [
        `postgresql://${encodeURIComponent(role)}@`,
        { place: "database" },
        `:${port}/${encodeURIComponent(name)}`,
      ],
    },
  };
}

function tellCommon({ name, role }: WorkloadDatabase): DatabaseWay["told"] {
  return { PGDATABASE: [name], PGUSER: [role] };
}

function tellSocket(database: WorkloadDatabase): DatabaseWay["told"] {
  const { port } = database;
  const name = encodeURIComponent(database.name);
  const role = encodeURIComponent(database.role);
  return {
    ...tellCommon(database),
    PGHOST: [socketDirectory],
    ...(port === undefined ? {} : { PGPORT: [port] }),
    // Slashes as they are (RFC 3986, 3.4 allows them in a query): a "%" is an escape to configparser and its kind.
    DATABASE_URL: [
      `postgresql:///${name}?host=${socketDirectory}&user=${role}${port === undefined ? "" : `&port=${port}`}`,
    ],
  };
}

/** What a workload with a database has to wait for. */
export function databaseAfter(
  manifest: Manifest,
  { database }: { readonly database?: WorkloadDatabase },
): ResourceId[] {
  return database === undefined || manifest.database === undefined
    ? []
    : [databaseReadyId(database.name)];
}
