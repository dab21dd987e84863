import { readFile, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { compareMigrations, migrationNumber } from "../resources/postgres/migration-file.ts";
import type { MigrationFile } from "../resources/postgres/migration-file.ts";
import { decodeText } from "./decode-text.ts";

/** What lies in a folder of migrations: its files, and for each folder in it the files in there. */
export interface MigrationFolder {
  readonly files: readonly string[];
  readonly folders?: ReadonlyMap<string, readonly string[]>;
}

/** The migrations of a folder in the order in which they run, and what is wrong with its other files. */
export interface MigrationList {
  /** `0001_init.sql`, `20240101000000_init/migration.sql` */
  readonly names: readonly string[];
  readonly mistakes: readonly string[];
  readonly warnings: readonly string[];
}

/** Languages of other tools' migrations, by how a numbered file ends. */
const languages: readonly (readonly [RegExp, string])[] = [
  [/\.[cm]?[jt]sx?$/i, "JavaScript (Knex, Sequelize, node-pg-migrate, TypeORM)"],
  [/\.py$/i, "Python (Django, Alembic, yoyo)"],
  [/\.rb$/i, "Ruby (Rails)"],
  [/\.go$/i, "Go (goose)"],
  [/\.php$/i, "PHP (Laravel, Doctrine, Phinx)"],
  [/\.exs?$/i, "Elixir (Ecto)"],
  [/\.(?:java|kt|class)$/i, "Java (Flyway)"],
  [/\.cs$/i, "C# (Entity Framework)"],
  [/\.(?:xml|ya?ml|json)$/i, "no SQL (Liquibase, pgroll)"],
];

/** Files that say whose folder this is, and what hostkit can say to it. */
const foreignFiles: readonly (readonly [RegExp, string])[] = [
  [
    /^sqitch\.(?:plan|conf)$/i,
    "sqitch: the order stands in sqitch.plan, which hostkit does not read; `sqitch` itself can deploy over the socket, or number the files of deploy/",
  ],
  [
    /^(?:env\.py|alembic\.ini|script\.py\.mako)$/i,
    "Alembic: its migrations are Python; `alembic upgrade head --sql` writes SQL",
  ],
  [
    /^(?:db\.?)?changelog\b.*\.(?:xml|ya?ml|json|sql)$/i,
    "Liquibase: hostkit does not read changelogs; `liquibase update-sql` writes plain SQL",
  ],
];

/** The way back, in a file of its own: golang-migrate and sqlx, postgrator, yoyo. Never run. */
const wayBack = /\.(?:down|undo|rollback|revert)\.sql$/i;
/** Files beside migrations that say nothing: `x.sql.bak`, editors' copies. They are left alone. */
const leftAlone = /^[.#]|~$/;

/**
 * `0001_spots.sql`, `2-roles.sql`, `003.sql`: a number, then what you like. Also `V1_2__x.sql` (Flyway), `1_x.up.sql`
 * (golang-migrate, sqlx) and `20240101000000_x/migration.sql` (Prisma, Drizzle). Files that do not end in .sql are left alone, unless
 * they are migrations that hostkit cannot run.
 */
export function listMigrations(folder: MigrationFolder): MigrationList {
  const folders = folder.folders ?? new Map<string, readonly string[]>();
  const files = folder.files.filter((name) => !leftAlone.test(name)).sort();
  const sql = files.filter((name) => name.endsWith(".sql") && !isWayBack(name, files));
  const inside = [...folders].flatMap(([name, within]) =>
    within.includes("migration.sql") && !leftAlone.test(name) ? [`${name}/migration.sql`] : [],
  );
  const complaints = [...sql, ...inside].flatMap((name) => explainName(name, sql));
  const mistakes = [...files.flatMap(explainForeign), ...complaints];
  const names = [...sql, ...inside]
    .filter((name) => explainName(name, sql).length === 0 && migrationNumber(name) !== undefined)
    .filter((name) => !isUndo(name))
    .sort(compareMigrations);
  mistakes.push(...findDuplicates(names));
  const others = [...folders]
    .filter(
      ([name, within]) =>
        !leftAlone.test(name) &&
        !within.includes("migration.sql") &&
        within.some((file) => file.endsWith(".sql")),
    )
    .map(([name]) => `${name}/`)
    .sort();
  if (names.length === 0 && mistakes.length === 0)
    mistakes.push(
      others.length === 0
        ? "there is no migration in it: they are named like 0001_init.sql"
        : `there is no migration in it, but .sql files in ${others.join(", ")}: name that folder`,
    );
  const warnings =
    names.length > 0 && others.length > 0
      ? [`folders in it are not looked into: ${others.join(", ")}`]
      : [];
  return { names, mistakes, warnings };
}

function explainName(name: string, files: readonly string[]): string[] {
  const kind = /^([RB])(?:\d[\d._]*)?__/.exec(name)?.[1];
  if (kind === "R")
    return [
      `${name} is a repeatable migration of Flyway: hostkit runs each file once; write it as V…__ with its next number`,
    ];
  if (kind === "B")
    return [`${name} is a baseline of Flyway, which hostkit does not know; name it V…__`];
  if (isUndo(name))
    return files.includes(name.replace("U", "V")) || files.some((file) => isSameVersion(file, name))
      ? []
      : [
          `${name} is Flyway's way back without its V…__; a migration's name begins with V or a number`,
        ];
  if (/^(?:before|after)[A-Z]\w*(?:__.*)?\.sql$/.test(name))
    return [`${name} is a callback of Flyway, which hostkit does not run`];
  if (migrationNumber(name) === undefined)
    return [`${name} has no number: migrations are named like 0001_${name}`];
  if (/^\d{21}/.test(name)) return [`${name}: the number is too long`];
  return [];
}

function isUndo(name: string): boolean {
  return /^U\d[\d._]*__/.test(name);
}

function isSameVersion(file: string, undo: string): boolean {
  const version = (name: string) => /^[UV](\d[\d._]*)__/.exec(name)?.[1];
  return file.startsWith("V") && version(file) === version(undo);
}

function explainForeign(name: string): string[] {
  const [, tool] = foreignFiles.find(([pattern]) => pattern.test(name)) ?? [];
  if (tool !== undefined) return [`${name} is of ${tool}`];
  if (!name.endsWith(".sql") && /\.sql$/i.test(name))
    return [`${name} ends in ${name.slice(-4)}: it is only run when it ends in .sql`];
  if (migrationNumber(name) === undefined || name.endsWith(".d.ts")) return [];
  if (name.endsWith(".sql.conf"))
    return [
      `${name} is not read: "-- hostkit: no transaction" in the first line of the .sql file says so`,
    ];
  const [, language] = languages.find(([pattern]) => pattern.test(name)) ?? [];
  return language === undefined ? [] : [`${name} is ${language}: hostkit runs SQL only`];
}

function isWayBack(name: string, files: readonly string[]): boolean {
  if (wayBack.test(name)) return true;
  // db-migrate's; without the way up beside it, "down" is a word like any other.
  const up = name.replace(/([-_])down\.sql$/, "$1up.sql");
  return up !== name && files.includes(up);
}

function findDuplicates(names: readonly string[]): string[] {
  const byNumber = new Map<string, string[]>();
  for (const name of names) {
    const number = (migrationNumber(name) ?? []).join(".").replace(/(?:\.0)+$/, "");
    byNumber.set(number, [...(byNumber.get(number) ?? []), name]);
  }
  return [...byNumber]
    .filter(([, same]) => same.length > 1)
    .map(([number, same]) => `${same.join(" and ")} have the same number ${number}`);
}

/** The migrations of a folder, in their order. */
export async function readMigrations(folder: string): Promise<{
  readonly files: readonly MigrationFile[];
  readonly mistakes: readonly string[];
  readonly warnings: readonly string[];
}> {
  const { names, mistakes, warnings } = listMigrations(await lookInto(folder));
  const files: MigrationFile[] = [];
  for (const name of names) {
    const decoded = decodeText(await readFile(path.join(folder, name)));
    files.push(
      "text" in decoded
        ? { name, text: decoded.text }
        : { name, text: decoded.lossy, fault: { line: decoded.line, message: decoded.why } },
    );
  }
  const provider = await readFile(path.join(folder, "migration_lock.toml"), "latin1").then(
    (text) => /^\s*provider\s*=\s*"(.*)"/m.exec(text)?.[1],
    () => undefined,
  );
  const foreign =
    provider === undefined || /^postgres(?:ql)?$/.test(provider)
      ? []
      : [`migration_lock.toml: Prisma wrote these for ${provider}, not for PostgreSQL`];
  return { files, mistakes: [...mistakes, ...foreign], warnings };
}

async function lookInto(folder: string): Promise<MigrationFolder> {
  const files: string[] = [];
  const folders = new Map<string, readonly string[]>();
  for (const item of await readdir(folder, { withFileTypes: true })) {
    // Gone since, or a link to nowhere: no folder.
    const isFolder = item.isSymbolicLink()
      ? await stat(path.join(folder, item.name)).then(
          (facts) => facts.isDirectory(),
          () => false,
        )
      : item.isDirectory();
    if (isFolder)
      folders.set(item.name, await readdir(path.join(folder, item.name)).catch(() => []));
    else files.push(item.name);
  }
  return { files, folders };
}
