import { HostkitError } from "../errors.ts";
import { hashText } from "../facts/hash.ts";
import { postgresConfigDirectory } from "../facts/psql.ts";
import type { System } from "../facts/system.ts";
import type { Database, DatabaseDefinition, Manifest, ServiceBase } from "../manifest/schema.ts";
import { block } from "../resources/block.ts";
import { file } from "../resources/file.ts";
import { postgresDatabase } from "../resources/postgres-database.ts";
import { postgresExtensions } from "../resources/postgres-extensions.ts";
import { postgresGrants } from "../resources/postgres-grants.ts";
import { postgresMigrations } from "../resources/postgres-migrations.ts";
import { postgresRole } from "../resources/postgres-role.ts";
import {
  postgresSettings,
  postgresUnitOf,
  waitForPostgres,
} from "../resources/postgres-settings.ts";
import { idOf } from "../resources/resource.ts";
import type { Resource, ResourceId } from "../resources/resource.ts";
import { unit } from "../resources/unit.ts";
import { listTcpUsers, resolveDatabaseTcp } from "./database-tcp.ts";
import { repositoriesOf, repositoryPath } from "./backups/jobs.ts";
import { emptySection, packagesId } from "./inputs.ts";
import type { Section, StackInputs } from "./inputs.ts";
import { stackDirectoryOf, userOf } from "./names.ts";
import { renderTemplate } from "./render-template.ts";
import { postgresHbaWord, postgresSetting, postgresSettingName } from "../writers/postgres-conf.ts";
import { systemdListPath } from "../writers/systemd.ts";

/** The major version each release of a distribution brings: docs/database.md. */
const distributionMajors: Readonly<Record<string, number>> = {
  "debian 11": 13,
  "debian 12": 15,
  "debian 13": 17,
  "ubuntu 22.04": 14,
  "ubuntu 24.04": 16,
  "ubuntu 26.04": 18,
};

/** Extensions that are not in PostgreSQL's own package, and the package they come in. */
const extensionPackages: Readonly<Record<string, (major: number) => string>> = {
  postgis: (major) => `postgresql-${major}-postgis-3`,
  vector: (major) => `postgresql-${major}-pgvector`,
  pg_cron: (major) => `postgresql-${major}-cron`,
  hll: (major) => `postgresql-${major}-hll`,
  ip4r: (major) => `postgresql-${major}-ip4r`,
  rum: (major) => `postgresql-${major}-rum`,
};

/**
 * The major version of PostgreSQL on a host.
 * @throws HostkitError os_unsupported where `distro` is asked of a distribution that is not known
 */
export function postgresMajorOf(database: Database, system: System): number {
  if (database.version !== "distro") return database.version;
  const major = distributionMajors[`${system.distribution} ${system.version}`];
  if (major !== undefined) return major;
  throw new HostkitError("os_unsupported", {
    what: `hostkit does not know which PostgreSQL ${system.distribution} ${system.version} brings`,
    where: "database.version",
    next: "write the major version into the manifest: database: { version: 17 }",
  });
}

/**
 * The last resource of a database: whoever waits for it may log in as its role.
 * @param databaseName a name of `manifest.database.databases`
 */
export function databaseReadyId(_manifest: Manifest, databaseName: string): ResourceId {
  return `postgres-grants:${databaseName}`;
}

/** The resource after which the server runs with its settings; nothing inside it is there yet. */
export function postgresRunningId(major: number): ResourceId {
  return `unit:${postgresUnitOf(major)}`;
}

/** The `database` section: PostgreSQL of the distribution, roles, databases, migrations, grants. */
export function resolveDatabase(inputs: StackInputs): Section {
  const { manifest, system } = inputs;
  const { database } = manifest;
  if (database === undefined) return emptySection;
  const major = postgresMajorOf(database, system);
  const server = resolveServer(inputs, database, major);
  const tcpRoles = new Set(listTcpUsers(manifest).map(({ access }) => access.role));
  const roles = database.roles.map((role) =>
    postgresRole(role.name, {
      major,
      login: role.login,
      connectionLimit: role.connectionLimit ?? -1,
      hasPassword: tcpRoles.has(role.name),
      after: [postgresRunningId(major)],
    }),
  );
  const tcp = resolveDatabaseTcp(inputs, major, postgresRunningId(major));
  return {
    packages: [
      `postgresql-${major}`,
      ...database.databases.flatMap(({ extensions }) =>
        extensions.flatMap((name) => extensionPackages[name]?.(major) ?? []),
      ),
    ],
    dataPackages: [`postgresql-${major}`],
    startsLater: { [`postgresql-${major}`]: postgresUnitOf(major) },
    resources: [
      ...server.resources,
      ...roles,
      ...tcp,
      ...database.databases.flatMap((one) => resolveOne(inputs, database, major, one)),
    ],
    beforePackages: server.beforePackages,
  };
}

/** The cluster itself: made with checksums, hardened, listening on socket and loopback, with the seam's map. */
function resolveServer(
  inputs: StackInputs,
  database: Database,
  major: number,
): { resources: Resource[]; beforePackages: ResourceId[] } {
  const { manifest, templates } = inputs;
  const { stack } = manifest;
  const config = postgresConfigDirectory(major);
  const render = (path: string, data: Record<string, unknown>): string =>
    renderTemplate(templates, path, data);
  const createCluster = file(
    "/etc/postgresql-common/createcluster.d/50-hostkit.conf",
    render("etc/postgresql-common/createcluster.d/hostkit.conf.ejs", {}),
  );
  const unitName = postgresUnitOf(major);
  const dropIn = file(
    `/etc/systemd/system/${unitName}.d/50-hostkit-${stack}.conf`,
    render("etc/systemd/system/postgresql@.service.d/hostkit.conf.ejs", {
      writable: writablePaths(manifest).map((path) => systemdListPath(path, "-")),
      onlyLoopback: !needsNetwork(manifest),
    }),
    { after: [packagesId] },
  );
  const hba = block(`${config}/pg_hba.conf`, stack, renderHba(manifest), {
    position: "top",
    after: [packagesId],
  });
  const ident = block(`${config}/pg_ident.conf`, stack, renderIdent(manifest), {
    position: "top",
    after: [packagesId],
  });
  const settings = settingsOf(manifest, database);
  const applied = postgresSettings({
    major,
    path: `${config}/conf.d/50-hostkit-${stack}.conf`,
    text: render("etc/postgresql/conf.d/hostkit.conf.ejs", {
      settings: Object.entries(settings).map(([name, value]) => ({
        name: postgresSettingName(name),
        value: postgresSetting(value),
      })),
    }),
    settings: Object.keys(settings),
    watches: [idOf(hba), idOf(ident)],
    after: [packagesId, idOf(dropIn), ...repositoryDirectories(manifest).map(({ id }) => id)],
  });
  // Last, so that one restart does for settings and drop-in.
  const service = unit(unitName, stackDirectoryOf(stack), {
    watches: [idOf(dropIn)],
    inputs: hashText("text" in dropIn.content ? dropIn.content.text : ""),
    after: [idOf(applied)],
    check: waitForPostgres(major),
    sharesStart: true,
    ours: false,
  });
  return {
    resources: [createCluster, dropIn, hba, ident, applied, service],
    beforePackages: [idOf(createCluster)],
  };
}

function resolveOne(
  inputs: StackInputs,
  database: Database,
  major: number,
  one: DatabaseDefinition,
): Resource[] {
  const { manifest } = inputs;
  const made = postgresDatabase(one.name, {
    major,
    owner: one.owner,
    encoding: one.encoding,
    locale: one.locale,
    after: [postgresRunningId(major), `postgres-role:${one.owner}`],
  });
  const resources: Resource[] = [made];
  let last: ResourceId = idOf(made);
  const add = (resource: Resource): void => {
    resources.push(resource);
    last = idOf(resource);
  };
  if (one.extensions.length > 0)
    add(postgresExtensions(one.name, { major, extensions: one.extensions, after: [last] }));
  if (one.migrations !== undefined) {
    const role = database.roles.find(({ name }) => name === one.owner);
    add(
      postgresMigrations(one.name, {
        major,
        owner: one.owner,
        ownerLogin: role?.login ?? false,
        ownerConnectionLimit: role?.connectionLimit ?? -1,
        folder: one.migrations.replace(/\/+$/, ""),
        files: inputs.migrations?.get(one.migrations) ?? [],
        after: [last],
      }),
    );
  }
  const grants = database.roles.flatMap((role) =>
    role.name === one.owner
      ? []
      : role.grants
          .filter((grant) => grant.database === one.name)
          .map(({ schema, on, privileges }) => ({ role: role.name, schema, on, privileges })),
  );
  const users = listDatabaseUsers(manifest)
    .filter(({ access }) => access.name === one.name && access.role !== one.owner)
    .map(({ access }) => access.role);
  add(
    postgresGrants(one.name, {
      major,
      owner: one.owner,
      roles: database.roles.map((role) => role.name).filter((name) => name !== one.owner),
      connect: [...new Set([...grants.map((grant) => grant.role), ...users])].sort(),
      grants,
      after: [
        last,
        ...database.roles.map((role): ResourceId => `postgres-role:${role.name}`),
        ...listTcpUsers(manifest)
          .filter(({ access }) => access.name === one.name)
          .map(({ access }): ResourceId => `postgres-password:${access.role}`),
      ],
    }),
  );
  return resources;
}

/** Every service that logs in to a database. */
function listDatabaseUsers(
  manifest: Manifest,
): { service: ServiceBase; access: NonNullable<ServiceBase["database"]> }[] {
  return [...manifest.services, ...manifest.web].flatMap((service) =>
    service.database === undefined ? [] : [{ service, access: service.database }],
  );
}

/** Defaults that give way to the manifest's; values as in postgresql.conf without quotes. */
function settingsOf(manifest: Manifest, database: Database): Record<string, string> {
  const archives = manifest.backups?.postgres !== undefined;
  const settings: Record<string, string> = {
    listen_addresses: "127.0.0.1, ::1",
    unix_socket_directories: "/var/run/postgresql",
    password_encryption: "scram-sha-256",
    log_lock_waits: "on",
    ...(archives
      ? {
          archive_mode: "on",
          archive_command: `pgbackrest --stanza=${manifest.stack} archive-push %p`,
          archive_timeout: "5min",
        }
      : {}),
    ...database.settings,
  };
  return Object.fromEntries(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Each service's system user logs in as its role and as no other: pg_hba.conf, first match counts. */
function renderHba(manifest: Manifest): string {
  const line = (database: string, role: string) =>
    `local ${postgresHbaWord(database)} ${postgresHbaWord(role)} peer map=hostkit-${manifest.stack}`;
  return joinLines([
    ...listDatabaseUsers(manifest).map(({ access }) =>
      access.tcp
        ? `host ${postgresHbaWord(access.name)} ${postgresHbaWord(access.role)} 127.0.0.1/32 scram-sha-256`
        : line(access.name, access.role),
    ),
    ...listMigrated(manifest).map(({ name, owner }) => line(name, owner)),
  ]);
}

/** Databases whose owner logs in to run migrations: as PostgreSQL's own user, who may do everything there anyway. */
function listMigrated({ database }: Manifest): readonly DatabaseDefinition[] {
  return (database?.databases ?? []).filter(({ migrations }) => migrations !== undefined);
}

function renderIdent(manifest: Manifest): string {
  const line = (user: string, role: string) =>
    `hostkit-${manifest.stack} ${postgresHbaWord(user)} ${postgresHbaWord(role)}`;
  return joinLines([
    ...listDatabaseUsers(manifest)
      .filter(({ access }) => !access.tcp)
      .map(({ service, access }) => line(userOf(manifest, service), access.role)),
    ...listMigrated(manifest).map(({ owner }) => line("postgres", owner)),
  ]);
}

function joinLines(lines: readonly string[]): string {
  return lines.length === 0
    ? "# no service logs in\n"
    : `${[...new Set(lines)].sort().join("\n")}\n`;
}

/** archive-push runs inside PostgreSQL's sandbox and writes there too. */
function writablePaths(manifest: Manifest): string[] {
  if (manifest.backups?.postgres === undefined) return [];
  return [
    "/var/log/pgbackrest",
    "/var/spool/pgbackrest",
    ...repositoryDirectories(manifest).map(({ path }) => path),
  ];
}

/** Local repositories: the sandbox can only open for writing what is there when the server starts. */
function repositoryDirectories({ backups }: Manifest): { id: ResourceId; path: string }[] {
  if (backups?.postgres === undefined) return [];
  return repositoriesOf(backups, "postgres").flatMap((repository) => {
    if (repository.kind !== "local") return [];
    const path = repositoryPath(repository, "postgres");
    return [{ id: `directory:${path}` as const, path }];
  });
}

function needsNetwork(manifest: Manifest): boolean {
  const { backups } = manifest;
  return (
    backups?.repositories.some(
      (one) => one.kind !== "local" && backups.postgres?.repositories.includes(one.name),
    ) ?? false
  );
}
