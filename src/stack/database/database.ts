import { hashText } from "../../facts/files/hash.ts";
import type { ClusterPlace } from "../../facts/postgres/cluster.ts";
import { postgresConfigDirectory } from "../../facts/postgres/psql.ts";
import type { Database, DatabaseDefinition, Manifest, ServiceBase } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import { block } from "../../resources/files/block.ts";
import { file } from "../../resources/files/file.ts";
import type { FileResource } from "../../resources/files/file.ts";
import { postgresDatabase } from "../../resources/postgres/database.ts";
import { postgresExtensions } from "../../resources/postgres/extensions.ts";
import { postgresGrants, postgresGrantsId } from "../../resources/postgres/grants.ts";
import { postgresMigrations } from "../../resources/postgres/migrations.ts";
import { postgresRole, postgresRoleId } from "../../resources/postgres/role.ts";
import { postgresCluster, postgresClusterId } from "../../resources/postgres/cluster.ts";
import { postgresSettings } from "../../resources/postgres/settings.ts";
import { postgresTrial, postgresTrialId } from "../../resources/postgres/trial.ts";
import { postgresUnitOf, waitForPostgres } from "../../resources/postgres/unit.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { unit, unitId } from "../../resources/units/unit.ts";
import type { UnitResource } from "../../resources/units/unit.ts";
import { listTcpUsers, resolveDatabaseTcp } from "./database-tcp.ts";
import { hostFoldersOf, repositoriesOf } from "../backups/storages/storages.ts";
import { emptySection, packagesId } from "../inputs.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { placeOfCluster, postgresMajorOf, sandboxOf } from "./database-place.ts";
import { stackDirectoryOf, userOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import {
  postgresHbaWord,
  postgresSetting,
  postgresSettingName,
} from "../../writers/postgres-conf.ts";
import { systemdListPath } from "../../writers/systemd.ts";
import { postgresPasswordId } from "../../resources/postgres/password.ts";
import { directoryId } from "../../resources/files/directory.ts";

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
 * The last resource of a database: whoever waits for it may log in as its role.
 * @param databaseName a name of `manifest.database.databases`
 */
export function databaseReadyId(databaseName: string): ResourceId {
  return postgresGrantsId(databaseName);
}

/** The resource after which the server runs with its settings; nothing inside it is there yet. */
export function postgresRunningId(major: number): ResourceId {
  return unitId(postgresUnitOf(major));
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

/** The cluster itself: made with checksums, hardened where hostkit made it, with the seam's map. */
function renderSettings(
  { templates }: StackInputs,
  settings: ReturnType<typeof settingsOf>,
): string {
  return renderTemplate(templates, "etc/postgresql/conf.d/hostkit.conf.ejs", {
    settings: Object.entries(settings).map(([name, value]) => ({
      name: postgresSettingName(name),
      value: postgresSetting(value),
    })),
  });
}

/** What systemd is told of a cluster that hostkit made: a change of it wants a restart. */
function hashDropIns(dropIns: readonly Pick<FileResource, "content">[]): string {
  return hashText(dropIns.map(({ content }) => ("text" in content ? content.text : "")).join(""));
}

/** The cluster's unit; last, so that one restart does for settings and drop-in. */
function resolveServerUnit(
  major: number,
  stackDirectory: string,
  watches: readonly ResourceId[],
  given: Pick<UnitResource, "inputs" | "onChange" | "after">,
): Resource {
  return unit(postgresUnitOf(major), stackDirectory, {
    watches,
    ...given,
    check: waitForPostgres(major),
    sharesStart: true,
    ours: false,
  });
}

function resolveServer(
  inputs: StackInputs,
  database: Database,
  major: number,
): { resources: Resource[]; beforePackages: ResourceId[] } {
  const { manifest, system, templates } = inputs;
  const { stack } = manifest;
  const config = postgresConfigDirectory(major);
  const place = placeOfCluster(major, system);
  const stackDirectory = stackDirectoryOf(stack);
  const createCluster = file(
    `/etc/postgresql-common/createcluster.d/50-hostkit-${stack}.conf`,
    renderTemplate(templates, "etc/postgresql-common/createcluster.d/hostkit.conf.ejs", {}),
  );
  const cluster = postgresCluster({ major, port: place.port, after: [packagesId] });
  const after = [packagesId, postgresClusterId(major), postgresTrialId(major)];
  const dropIns = resolveDropIns(inputs, major).map((one) => ({ ...one, after }));
  const inConfig = (path: string, text: string) =>
    block(`${config}/${path}`, stack, text, { position: "top", after });
  const hba = inConfig("pg_hba.conf", renderHba(manifest));
  const ident = inConfig("pg_ident.conf", renderIdent(manifest));
  const settings = settingsOf(manifest, database, place);
  const isSandboxed = sandboxOf(place) !== undefined;
  const inputsHash = isSandboxed ? hashDropIns(dropIns) : "";
  const applied = postgresSettings({
    major,
    stackDirectory,
    path: `${config}/conf.d/50-hostkit-${stack}.conf`,
    text: renderSettings(inputs, settings),
    settings: Object.keys(settings),
    watches: [idOf(hba), idOf(ident)],
    dropIns: dropIns.map(({ path }) => ({ path })),
    inputs: inputsHash,
    after: [...after, ...repositoryDirectories(manifest).map(({ id }) => id)],
  });
  const trial = postgresTrial({
    ...{ major, stackDirectory, dropIns, hba, ident, settings: applied },
    after: [packagesId, postgresClusterId(major)],
  });
  // Its sandbox holds on to the folders that were there when it started: one that was made anew it cannot write to.
  const mounted = isSandboxed ? repositoryDirectories(manifest) : [];
  const service = resolveServerUnit(
    major,
    stackDirectory,
    [...dropIns.map(idOf), ...mounted.map(({ id }) => id)],
    {
      inputs: inputsHash,
      // What is not sandboxed runs on: systemd takes how often it starts a unit from the files alone.
      onChange: isSandboxed ? "restart" : "reload",
      after: [idOf(applied)],
    },
  );
  return {
    resources: [createCluster, cluster, trial, ...dropIns, hba, ident, applied, service],
    beforePackages: [idOf(createCluster)],
  };
}

/** The unit's drop-ins: a sandbox that fits, or for a cluster that was there before, only that it comes back after a crash. */
function resolveDropIns(inputs: StackInputs, major: number): FileResource[] {
  const { manifest, system, templates } = inputs;
  const { stack } = manifest;
  const folder = `/etc/systemd/system/${postgresUnitOf(major)}.d`;
  const template = "etc/systemd/system/postgresql@.service.d";
  const sandbox = sandboxOf(placeOfCluster(major, system));
  const isFar = needsNetwork(manifest);
  const main = file(
    `${folder}/50-hostkit-${stack}.conf`,
    sandbox === undefined
      ? renderTemplate(templates, `${template}/found.conf.ejs`, {})
      : renderTemplate(templates, `${template}/hostkit.conf.ejs`, {
          writable: [...sandbox, ...writablePaths(manifest)].map((path) =>
            systemdListPath(path, "-"),
          ),
          onlyLoopback: !isFar,
        }),
  );
  if (sandbox === undefined || !isFar) return [main];
  // Read behind every stack's first one, of which another's may deny the network.
  const network = file(
    `${folder}/60-hostkit-${stack}-network.conf`,
    renderTemplate(templates, `${template}/network.conf.ejs`, {}),
  );
  return [main, network];
}

function resolveOne(
  inputs: StackInputs,
  database: Database,
  major: number,
  one: DatabaseDefinition,
): Resource[] {
  const made = postgresDatabase(one.name, {
    major,
    owner: one.owner,
    encoding: one.encoding,
    locale: one.locale,
    after: [postgresRunningId(major), postgresRoleId(one.owner)],
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
  add(resolveGrants(inputs.manifest, database, major, one, last));
  return resources;
}

/** Who else than its owner may connect to a database, and what they may do there. */
function resolveGrants(
  manifest: Manifest,
  database: Database,
  major: number,
  one: DatabaseDefinition,
  last: ResourceId,
): Resource {
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
  return postgresGrants(one.name, {
    major,
    owner: one.owner,
    roles: database.roles.map((role) => role.name).filter((name) => name !== one.owner),
    connect: [...new Set([...grants.map((grant) => grant.role), ...users])].sort(),
    grants,
    after: [
      last,
      ...database.roles.map(({ name }) => postgresRoleId(name)),
      ...listTcpUsers(manifest)
        .filter(({ access }) => access.name === one.name)
        .map(({ access }) => postgresPasswordId(access.role)),
    ],
  });
}

/** Every service that logs in to a database. */
function listDatabaseUsers(
  manifest: Manifest,
): { service: ServiceBase; access: NonNullable<ServiceBase["database"]> }[] {
  return servicesOf(manifest).flatMap((service) =>
    service.database === undefined ? [] : [{ service, access: service.database }],
  );
}

/**
 * Defaults that give way to the manifest's; values as in postgresql.conf without quotes. In a cluster that was there before, its
 * owner's stay: who may connect from where is not hostkit's to change.
 */
function settingsOf(
  manifest: Manifest,
  database: Database,
  { isMade }: ClusterPlace,
): Record<string, string> {
  const archives = manifest.backups?.postgres !== undefined;
  const settings: Record<string, string> = {
    ...(isMade
      ? {
          listen_addresses: "127.0.0.1, ::1",
          unix_socket_directories: "/var/run/postgresql",
          password_encryption: "scram-sha-256",
          log_lock_waits: "on",
        }
      : {}),
    ...(archives
      ? {
          archive_mode: "on",
          archive_command: `pgbackrest --stanza=${manifest.stack} archive-push %p`,
          archive_timeout: "1min",
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
function repositoryDirectories(manifest: Manifest): { id: ResourceId; path: string }[] {
  return hostFoldersOf(manifest, "postgres").map((path) => ({
    id: directoryId(path),
    path,
  }));
}

function needsNetwork(manifest: Manifest): boolean {
  return repositoriesOf(manifest, "postgres").some(
    ({ storage }) => storage.hostFolder === undefined,
  );
}
