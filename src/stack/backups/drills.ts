import { hashText } from "../../facts/files/hash.ts";
import { programDirectory } from "../../facts/postgres/psql.ts";
import { quoteIdentifier } from "../../facts/postgres/sql.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { directory, directoryId } from "../../resources/files/directory.ts";
import { file } from "../../resources/files/file.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource } from "../../resources/resource.ts";
import { unit } from "../../resources/units/unit.ts";
import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import { systemdCalendar } from "../../writers/systemd-calendar.ts";
import {
  systemdExec,
  systemdListPath,
  systemdNames,
  systemdPath,
  systemdText,
} from "../../writers/systemd.ts";
import { writtenShell } from "../../writers/written.ts";
import { placeOfCluster, postgresMajorOf } from "../database/database-place.ts";
import { packagesId } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { stackDirectoryOf, volumePath } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import { backupPlaces, drillUnitOf, listBackupDrills } from "./jobs.ts";
import type { BackupDrill } from "./jobs.ts";
import { repositoriesOf } from "./storages/storages.ts";

/**
 * What proves backups by bringing them back: for each tool a script, a unit that runs it with little of everything, and a timer.
 * The units are there without a timer too, for `hostkit backup verify`.
 */
export function resolveDrills(inputs: StackInputs): Resource[] {
  const { stack } = inputs.manifest;
  const places = backupPlaces(stack);
  return listBackupDrills(inputs.manifest).flatMap((drill) => {
    const { tool } = drill;
    const folders =
      tool === "postgres"
        ? [
            directory(places.throwaway, {
              ...{ mode: "0700", owner: "postgres", group: "postgres" },
              ...{ holds: "cache" as const, after: [packagesId, directoryId(places.reports)] },
            }),
          ]
        : [];
    const text = tool === "postgres" ? renderPostgres(inputs) : renderFiles(inputs);
    const script = file(places.drill(tool), text, { mode: "0755" });
    const service = file(
      `/etc/systemd/system/${drill.template}`,
      renderTemplate(
        inputs.templates,
        "etc/systemd/system/drill.service.ejs",
        describeService(inputs.manifest, drill),
      ),
    );
    const made = [...folders, script, service];
    return [...made, ...resolveTimer(inputs, drill, made)];
  });
}

function resolveTimer(
  { manifest, templates }: StackInputs,
  drill: BackupDrill,
  needed: readonly Resource[],
): Resource[] {
  const { schedule } = drill;
  if (schedule === undefined) return [];
  const { stack } = manifest;
  const text = renderTemplate(templates, "etc/systemd/system/drill.timer.ejs", {
    description: systemdText(`When to prove the backups of ${drill.tool} of ${stack}`),
    schedule: systemdCalendar(schedule),
    service: systemdNames(drillUnitOf(drill, "all")),
  });
  const timer = file(`/etc/systemd/system/${drill.timer}`, text);
  const started = unit(drill.timer, stackDirectoryOf(stack), {
    watches: [idOf(timer)],
    inputs: hashText(text),
    after: needed.map(idOf),
  });
  return [timer, started];
}

function describeService(manifest: Manifest, { tool }: BackupDrill) {
  const { stack } = manifest;
  const places = backupPlaces(stack);
  const isPostgres = tool === "postgres";
  return {
    description: systemdText(`Drill: the newest backup of ${tool} of ${stack} is restored`),
    user: systemdNames(isPostgres ? "postgres" : "root"),
    run: systemdExec([places.drill(tool), "run"]),
    end: systemdExec([places.drill(tool), "end"]),
    reports: systemdPath(`${places.reports}/${tool}`),
    work: isPostgres ? systemdPath(places.throwaway) : undefined,
    cacheDirectory: isPostgres ? undefined : systemdNames(`hostkit-${stack}`),
    capabilities: isPostgres ? undefined : systemdNames("CAP_DAC_READ_SEARCH"),
    writable: (isPostgres ? ["/var/log/pgbackrest", "/var/spool/pgbackrest"] : []).map((path) =>
      systemdListPath(path, "-"),
    ),
    home: systemdText(isPostgres ? "yes" : "read-only"),
    network: repositoriesOf(manifest, tool).some(({ storage }) => storage.hostFolder === undefined),
  };
}

function renderPostgres({ manifest, system, templates }: StackInputs): string {
  const { stack, database, backups } = manifest;
  if (database === undefined) throw new TypeError("backups.postgres without a database section");
  const major = postgresMajorOf(database, system);
  const places = backupPlaces(stack);
  const pairs = repositoriesOf(manifest, "postgres").map(
    ({ name }, index) => `${name}:${index + 1}`,
  );
  return renderTemplate(templates, "usr/local/lib/hostkit/drill-postgres.ejs", {
    stack: writtenShell(sh`${stack}`),
    programs: writtenShell(sh`${programDirectory(major)}`),
    served: writtenShell(sh`${placeOfCluster(major, system).data}`),
    work: writtenShell(sh`${places.throwaway}`),
    lock: writtenShell(sh`${places.lock}`),
    repositories: writtenShell(sh`${pairs}`),
    questions: (backups?.verify ?? []).map((one) => {
      const owner = database.databases.find(({ name }) => name === one.database)?.owner ?? "";
      const login = `alter role ${quoteIdentifier(owner)} login connection limit -1`;
      return {
        database: writtenShell(sh`${one.database}`),
        role: writtenShell(sh`${owner}`),
        login: writtenShell(sh`${login}`),
        query: writtenShell(sh`${one.query}`),
      };
    }),
    ...renderAttempts(manifest, templates, "postgres"),
    record: renderRecord(templates),
  });
}

function renderFiles({ manifest, templates }: StackInputs): string {
  const { stack } = manifest;
  const places = backupPlaces(stack);
  return renderTemplate(templates, "usr/local/lib/hostkit/drill-files.ejs", {
    stack: writtenShell(sh`${stack}`),
    restic: writtenShell(sh`${places.script("files")}`),
    lock: writtenShell(sh`${places.lock}`),
    repositories: writtenShell(sh`${repositoriesOf(manifest, "files").map(({ name }) => name)}`),
    moving: patternOfSqlite(manifest),
    ...renderAttempts(manifest, templates, "files"),
    record: renderRecord(templates),
  });
}

/** A pattern of case for the paths of volumes whose databases are copied by SQLite; undefined: there are none. */
function patternOfSqlite({ stack, backups }: Manifest) {
  const volumes = (backups?.files?.quiesce ?? []).filter(({ how }) => how === "sqlite");
  if (volumes.length === 0) return undefined;
  const paths = volumes.map(({ volume }) => sh`${`${volumePath(stack, volume)}/`}*`);
  return writtenShell(joinScripts(paths, " | "));
}

/** What is tried in append-only repositories; nothing where there is none. */
function renderAttempts(
  manifest: Manifest,
  templates: StackInputs["templates"],
  tool: BackupDrill["tool"],
) {
  const attempts = repositoriesOf(manifest, tool).flatMap(({ name, isAppendOnly, storage }) =>
    isAppendOnly && storage.attempt !== undefined
      ? [{ name: writtenShell(sh`${name}`), script: writtenShell(storage.attempt(tool)) }]
      : [],
  );
  if (attempts.length === 0) return { attempts: undefined };
  const path = "usr/local/lib/hostkit/drill-attempts.ejs";
  return { attempts: writtenShell(rawScript(renderTemplate(templates, path, { attempts }))) };
}

function renderRecord(templates: StackInputs["templates"]) {
  return writtenShell(
    rawScript(renderTemplate(templates, "usr/local/lib/hostkit/drill-record.ejs", {})),
  );
}
