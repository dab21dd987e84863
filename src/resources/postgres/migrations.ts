import { need } from "../../facts/fact.ts";
import { postgresContentFacts, postgresContentSubject } from "../../facts/postgres/postgres.ts";
import { psqlScript } from "../../facts/postgres/psql.ts";
import { quoteIdentifier } from "../../facts/postgres/sql.ts";
import { sh } from "../../shell/script.ts";
import { applyMigrationSteps, editedMessage, type MigratedDatabase } from "./migration-steps.ts";
import {
  compareMigrations,
  isMigration,
  migrationNumber,
  readMigration,
} from "./migration-file.ts";
import type { Migration, MigrationFile } from "./migration-file.ts";
import { ledgerSql } from "./migration-script.ts";
import { idOf, idsOf } from "../resource.ts";
import type { Change, Refusal, Resource, ResourceKind } from "../resource.ts";

/**
 * Numbered SQL files, each applied once, in order, by a session that logs in as the database's owner.
 * What was applied stands in the database itself: table hostkit.migrations.
 */
export interface PostgresMigrationsResource extends Resource, MigratedDatabase {
  readonly kind: "postgres-migrations";
  /** In the order in which they are applied. */
  readonly files: readonly MigrationFile[];
}

/** Builds a migrations resource; `name` is the database's. */
export function postgresMigrations(
  name: string,
  options: Omit<PostgresMigrationsResource, "kind" | "name">,
): PostgresMigrationsResource {
  return { kind: "postgres-migrations", name, ...options };
}

/** The id of a resource of this kind by its name. */
export const postgresMigrationsId = idsOf("postgres-migrations");

export const postgresMigrationsKind: ResourceKind<PostgresMigrationsResource> = {
  kind: "postgres-migrations",
  group: "database",
  touches: () => ["postgres"],
  needs: (resource) => [
    need(postgresContentFacts, postgresContentSubject(resource.major, resource.name)),
  ],

  diff(resource, facts): Change | undefined {
    const { name, major, files } = resource;
    const applied =
      facts.get(postgresContentFacts, postgresContentSubject(major, name))?.migrations ?? {};
    const edited = files.filter((file) => {
      const hash = applied[file.name];
      return hash !== undefined && !isMigration(file, hash);
    });
    if (edited.length > 0) return refuseEdited(resource, edited);
    const pending = files.filter((file) => applied[file.name] === undefined);
    if (pending.length === 0) return undefined;
    const read = pending.map((file) => ({ file, migration: readMigration(file) }));
    const said = pending.map((file) => describePending(file, applied));
    const late = said.filter((text, index) => text !== pending[index]?.name);
    const refusal = refuseRenamed(resource, pending, applied) ?? refuseUnfit(resource, read);
    return {
      id: idOf(resource),
      action: "run",
      because: `not applied: ${said.join(", ")}`,
      ...(late.length === 0 ? {} : { notes: late }),
      ...(refusal === undefined ? {} : { refusal }),
      steps:
        refusal === undefined
          ? [prepareStep(resource), ...read.flatMap((one) => applyMigrationSteps(resource, one))]
          : [stopStep(resource, refusal)],
    };
  },

  own: () => undefined,
  remove: () => undefined,
};

function prepareStep({ name, major, owner }: PostgresMigrationsResource): Change["steps"][number] {
  return {
    type: "script",
    title: `prepare the list of migrations in ${name}`,
    script: sh`PGOPTIONS='-c client_min_messages=warning' ${psqlScript(major, name, ["-1"])}`,
    stdin: { text: ledgerSql(quoteIdentifier(owner)) },
  };
}

/** A file that comes later than one with a higher number is run all the same, and the plan says so. */
function describePending(file: MigrationFile, applied: Readonly<Record<string, string>>): string {
  const above = Object.keys(applied)
    .filter((name) => compareMigrations(file.name, name) < 0)
    .sort(compareMigrations);
  return above.length === 0
    ? file.name
    : `${file.name} (its number is below ${above.at(-1)}, which was applied before it)`;
}

function stopStep({ name }: PostgresMigrationsResource, refusal: Refusal): Change["steps"][number] {
  const lines = [
    refusal.what,
    ...(refusal.details ?? []),
    ...(refusal.next === undefined ? [] : [refusal.next]),
  ];
  return {
    type: "script",
    title: `compare the migrations of ${name}`,
    script: sh`printf '%s\\n' ${lines} >&2
exit 1`,
  };
}

function refuseEdited(
  resource: PostgresMigrationsResource,
  edited: readonly MigrationFile[],
): Change {
  const list = edited.map((file) => file.name).join(", ");
  const refusal = { what: editedMessage(resource.name, list) };
  return {
    id: idOf(resource),
    action: "run",
    because: `${list} was edited after it was applied; provision will stop here`,
    refusal: {
      what: `${list} was edited after it was applied to ${resource.name}`,
      next: "put the old text back and write the change as a new, higher numbered file",
    },
    steps: [stopStep(resource, refusal)],
  };
}

/** Under another name the same migration would run a second time. */
function refuseRenamed(
  { name, files }: PostgresMigrationsResource,
  pending: readonly MigrationFile[],
  applied: Readonly<Record<string, string>>,
): Refusal | undefined {
  const present = new Set(files.map((file) => file.name));
  const gone = Object.entries(applied).filter(([old]) => !present.has(old));
  const renamed = pending.flatMap((file) => {
    const number = String(migrationNumber(file.name));
    const found = gone.find(
      ([old, hash]) => isMigration(file, hash) || String(migrationNumber(old)) === number,
    );
    if (found === undefined) return [];
    const [old, hash] = found;
    return [
      isMigration(file, hash)
        ? `${file.name} is ${old}, which was applied to ${name}, under another name`
        : `${file.name} has the number of ${old}, which was applied to ${name} and is no longer here`,
    ];
  });
  if (renamed.length === 0) return undefined;
  return {
    what: `migrations of ${name} were renamed after they were applied`,
    details: renamed,
    next: "give each its old name back; a new migration gets a number of its own",
  };
}

function refuseUnfit(
  { name, folder }: PostgresMigrationsResource,
  read: readonly { readonly file: MigrationFile; readonly migration: Migration }[],
): Refusal | undefined {
  const details = read.flatMap(({ file, migration }) =>
    migration.problems
      .filter(({ severity }) => severity === "error")
      .map(({ line, message }) => `${folder}/${file.name}:${line}: ${message}`),
  );
  if (details.length === 0) return undefined;
  return {
    what: `migrations of ${name} cannot be run as they are`,
    details,
    next: "mend the lines above; `hostkit check` looks again without touching a host",
  };
}
