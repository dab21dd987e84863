import { hashText } from "../../facts/files/hash.ts";
import { asPostgres, programDirectory, psqlScript } from "../../facts/postgres/psql.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { backupFirst } from "../../resources/backups/first-backup.ts";
import { directory, directoryId } from "../../resources/files/directory.ts";
import { file, fileId } from "../../resources/files/file.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { unit, unitId } from "../../resources/units/unit.ts";
import { resolveDrills } from "./drills.ts";
import { resolveFileRepositories } from "./files.ts";
import { backupPlaces, listBackupJobs } from "./jobs.ts";
import { listCovers } from "./quiesce-groups.ts";
import { listSettlers, prepareCopies, quiesceIds, resolveQuiesce } from "./quiesce.ts";
import { toolFolder } from "./storages/storage.ts";
import { hostFoldersOf, repositoriesOf } from "./storages/storages.ts";
import type { BackupJob } from "./jobs.ts";
import { resolvePostgresRepositories } from "./postgres.ts";
import type { Repositories } from "./postgres.ts";
import { placeOfCluster, postgresMajorOf } from "../database/database-place.ts";
import { databaseReadyId } from "../database/database.ts";
import { emptySection, packagesId } from "../inputs.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { stackDirectoryOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import {
  systemdExec,
  systemdListPath,
  systemdNames,
  systemdPath,
  systemdText,
} from "../../writers/systemd.ts";
import { systemdCalendar } from "../../writers/systemd-calendar.ts";
import { writtenShell } from "../../writers/written.ts";
import { rawScript, sh } from "../../shell/script.ts";
import { postgresUnitOf } from "../../resources/postgres/unit.ts";

/**
 * One line: the host's time; when archiving failed lastly, 0 where something was archived since, and what; how many whole segments
 * wait; since when nothing newer is in the repository; archive_timeout; how far the present segment is filled. A segment's name with
 * `.done` keeps the time at which the segment was whole; it goes with the segment. A segment that waits holds no change that is older than the
 * timeout when it is whole.
 */
const archivingSql = `with a as (select * from pg_stat_archiver),
r as (select count(*) as waiting, min(modification) as oldest from pg_ls_archive_statusdir() where name ~ '^[0-9A-F]{24}[.]ready$'),
t as (select setting::int as timeout from pg_settings where name = 'archive_timeout')
select concat_ws(' ', 'wal', extract(epoch from now())::bigint,
case when last_failed_time > coalesce(last_archived_time, '-infinity') then extract(epoch from last_failed_time)::bigint else 0 end,
coalesce(last_failed_wal, '-'), waiting,
coalesce(extract(epoch from greatest(coalesce(
  (pg_stat_file('pg_wal/archive_status/' || last_archived_wal || '.done', true)).modification, least(last_archived_time, oldest)),
  case when timeout > 0 then oldest - timeout * interval '1 second' end))::bigint, 0), timeout,
(pg_walfile_name_offset(pg_current_wal_insert_lsn())).file_offset) from a, r, t where not pg_is_in_recovery()`;

/** How many segments were archived, and how many wait. */
const backlogSql = `select archived_count || ' ' || (select count(*) from pg_ls_archive_statusdir() where name ~ '^[0-9A-F]{24}[.]ready$') from pg_stat_archiver`;

const placeSql = `select setting || ' ' || current_setting('data_directory') from pg_settings where name = 'wal_segment_size'`;

/**
 * The `backups` section: pgBackRest for PostgreSQL, restic for files and volumes, timers, the first backup.
 * @param others what the other sections made: the first backup of files waits for all of it that may be in there
 */
export function resolveBackups(inputs: StackInputs, others: readonly Resource[] = []): Section {
  const { manifest } = inputs;
  const { backups, stack } = manifest;
  if (backups === undefined) return emptySection;
  const { postgres, files } = backups;
  const places = backupPlaces(stack);
  const resources: Resource[] = [
    file(places.lock, "Held (flock) by the backup that runs.\n"),
    directory(places.reports, { mode: "0711" }),
    ...resolveDirectories(manifest, places.reports),
  ];
  const packages: string[] = [];
  if (postgres !== undefined) {
    const made = resolvePostgresRepositories(inputs, postgres);
    packages.push("pgbackrest", ...storagePackages(manifest, "postgres"));
    const script = renderPostgresScript(inputs, made);
    resources.push(script, ...made.resources);
    const data = (manifest.database?.databases ?? []).map(({ name }) => databaseReadyId(name));
    resources.push(...resolveJobs(inputs, "postgres", made, [idOf(script), ...data]));
  }
  if (files !== undefined) {
    const made = resolveFileRepositories(inputs, files);
    packages.push("restic", ...storagePackages(manifest, "files"));
    resources.push(...made.resources);
    if (files.quiesce.some(({ how }) => how === "sqlite")) packages.push("sqlite3");
    resources.push(...resolveQuiesce(inputs));
    const before = others.filter((one) => mayWriteTo(one, files.paths));
    resources.push(...resolveJobs(inputs, "files", made, before.map(idOf)));
  }
  resources.push(...resolveDrills(inputs));
  return { packages, resources };
}

/** The proxy's configuration and certificates are the only ones that nothing else is made from. */
function mayWriteTo(resource: Resource, paths: readonly string[]): boolean {
  const isProxy = resource.kind === "caddy" || idOf(resource) === unitId("caddy.service");
  return (
    !isProxy || paths.some((path) => path === "/" || /^\/(?:etc|var|var\/lib)\/?$|caddy/.test(path))
  );
}

function storagePackages(manifest: Manifest, tool: BackupJob["tool"]): string[] {
  return [...new Set(repositoriesOf(manifest, tool).flatMap(({ storage }) => storage.packages))];
}

/** Folders of local repositories and of the reports, each tool's with its own owner. */
function resolveDirectories(manifest: Manifest, reports: string): Resource[] {
  const tools = (["postgres", "files"] as const).filter(
    (tool) => manifest.backups?.[tool] !== undefined,
  );
  return tools.flatMap((tool) => {
    const owner = tool === "postgres" ? "postgres" : "root";
    const base = { owner, group: owner, after: [packagesId] };
    return [
      directory(`${reports}/${tool}`, {
        ...base,
        mode: "0700",
        holds: "data",
        after: [packagesId, directoryId(reports)],
      }),
      ...repositoriesOf(manifest, tool).flatMap(({ storage: { hostFolder } }) =>
        hostFolder === undefined
          ? []
          : [
              directory(hostFolder, { after: [packagesId] }),
              directory(toolFolder(hostFolder, tool), {
                ...base,
                mode: "0700",
                holds: "data",
                after: [packagesId, directoryId(hostFolder)],
              }),
            ],
      ),
    ];
  });
}

function renderPostgresScript(inputs: StackInputs, made: Repositories): Resource {
  const { stack, database } = inputs.manifest;
  const places = backupPlaces(stack);
  const major = database === undefined ? 0 : postgresMajorOf(database, inputs.system);
  return file(
    places.script("postgres"),
    renderTemplate(inputs.templates, "usr/local/lib/hostkit/backup-postgres.ejs", {
      stack: writtenShell(sh`${stack}`),
      inputs: writtenShell(sh`${made.inputs}`),
      lock: writtenShell(sh`${places.lock}`),
      repositories: writtenShell(
        sh`${repositoriesOf(inputs.manifest, "postgres").map((_, index) => String(index + 1))}`,
      ),
      appendOnly: repositoriesOf(inputs.manifest, "postgres").flatMap(({ isAppendOnly }, index) =>
        isAppendOnly ? [writtenShell(sh`${index + 1}`)] : [],
      ),
      psql: writtenShell(psqlScript(major, "postgres", ["-c", archivingSql])),
      // As PostgreSQL's user already, by the socket that pgBackRest takes.
      backlog: writtenShell(
        sh`${`${programDirectory(major)}/psql`} -XAtq -h /var/run/postgresql -p ${String(placeOfCluster(major, inputs.system).port)} -d postgres -c ${backlogSql}`,
      ),
      place: writtenShell(psqlScript(major, "postgres", ["-c", placeSql])),
      log: writtenShell(
        sh`${asPostgres} tail -c 200000 ${`/var/log/postgresql/postgresql-${major}-main.log`}`,
      ),
      report: writtenShell(
        rawScript(renderTemplate(inputs.templates, "usr/local/lib/hostkit/backup-report.ejs", {})),
      ),
    }),
    { mode: "0755" },
  );
}

/** Service, timer and first backup of a tool's jobs. Only the first job (the full one) is run by provision. */
function resolveJobs(
  inputs: StackInputs,
  tool: BackupJob["tool"],
  made: Repositories,
  after: readonly ResourceId[],
): Resource[] {
  const { stack } = inputs.manifest;
  const places = backupPlaces(stack);
  const jobs = listBackupJobs(inputs.manifest).filter((job) => job.tool === tool);
  return jobs.flatMap((job, index) => {
    const { service, timer, started } = resolveSchedule(inputs, job);
    const first = backupFirst({
      stack,
      job: job.name,
      service: job.service,
      inputs: made.inputs,
      markers: made.markers,
      after: [
        ...made.repositories.map(idOf),
        idOf(service),
        directoryId(`${places.reports}/${tool}`),
        fileId(places.lock),
        fileId(places.script(tool)),
        ...(tool === "files" ? quiesceIds(inputs.manifest) : []),
        ...after,
      ],
    });
    return [service, timer, started, ...(index === 0 ? [first] : [])];
  });
}

/** What makes a job run at its times. */
function resolveSchedule(inputs: StackInputs, job: BackupJob) {
  const { manifest, templates } = inputs;
  const { stack } = manifest;
  const service = file(
    `/etc/systemd/system/${job.service}`,
    renderTemplate(
      templates,
      "etc/systemd/system/backup.service.ejs",
      describeService(inputs, job),
    ),
  );
  const timer = file(
    `/etc/systemd/system/${job.timer}`,
    renderTemplate(templates, "etc/systemd/system/backup.timer.ejs", {
      description: systemdText(`When to make the backup ${job.name} of ${stack}`),
      schedule: systemdCalendar(job.schedule),
    }),
  );
  const texts = [service, timer].map((one) => ("text" in one.content ? one.content.text : ""));
  const started = unit(job.timer, stackDirectoryOf(stack), {
    watches: [idOf(service), idOf(timer)],
    inputs: hashText(texts.join("\0")),
    after: [fileId(backupPlaces(stack).script(job.tool))],
  });
  return { service, timer, started };
}

function describeService(inputs: StackInputs, job: BackupJob) {
  const { manifest, system } = inputs;
  const { stack } = manifest;
  const places = backupPlaces(stack);
  const isPostgres = job.tool === "postgres";
  const name = job.service.replace(/\.service$/, "");
  return {
    description: systemdText(`Backup ${job.name} of ${stack}`),
    after: [
      "network-online.target",
      ...(isPostgres && manifest.database !== undefined
        ? [postgresUnitOf(postgresMajorOf(manifest.database, system))]
        : []),
    ].map((one) => systemdNames(one)),
    user: systemdNames(isPostgres ? "postgres" : "root"),
    run: systemdExec([places.script(job.tool), "run", job.type]),
    report: systemdExec([places.script(job.tool), "report", job.name]),
    runtimeDirectory: systemdNames(name),
    settles: (isPostgres ? [] : listSettlers(manifest)).map((one) => systemdNames(one)),
    ready: isPostgres ? undefined : prepareCopies(manifest),
    covers: (isPostgres ? [] : listCovers(manifest)).map(({ copy, path }) => ({
      ...{ copy: systemdPath(copy), path: systemdPath(path) },
    })),
    cacheDirectory: isPostgres ? undefined : systemdNames(`hostkit-${stack}`),
    reports: systemdPath(`${places.reports}/${job.tool}`),
    capabilities: isPostgres ? undefined : systemdNames("CAP_DAC_READ_SEARCH"),
    writable: [
      ...hostFoldersOf(manifest, job.tool),
      ...(isPostgres ? ["/var/log/pgbackrest", "/var/spool/pgbackrest"] : []),
    ].map((path) => systemdListPath(path, "-")),
    home: systemdText(isPostgres ? "yes" : "read-only"),
    network: repositoriesOf(manifest, job.tool).some(
      ({ storage }) => storage.hostFolder === undefined,
    ),
  };
}
