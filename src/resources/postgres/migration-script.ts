import { hashText } from "../../facts/files/hash.ts";
import { quoteLiteral } from "../../facts/postgres/sql.ts";
import type { SqlStatement } from "../../facts/postgres/sql-statements.ts";
import { findConcurrentIndex, transactionEffect } from "../../facts/postgres/sql-transactions.ts";
import { hashMigration } from "./migration-file.ts";
import type { Migration, MigrationFile } from "./migration-file.ts";

/** Files for psql, by their path relative to the migration's folder in the run. */
export type PsqlFiles = readonly { readonly path: string; readonly text: string }[];

/** Held by the session that migrates a database. */
const lockKey = 7307199606733530737n;

/**
 * How many sessions migrate the database: what an interrupted run left behind may still be at work. To be asked again and again, not
 * waited for: whoever builds an index without a lock waits for every session that waits.
 */
export const migratingSql = `select count(*) from pg_locks where locktype = 'advisory' and granted
  and database = (select oid from pg_database where datname = current_database())
  and classid = ${lockKey >> 32n} and objid = ${lockKey & 0xffff_ffffn}`;

/** The line of a session's output that names its transaction begins so. */
export const transactionMark = "hostkit-transaction";

/** A name that psql, the shell and tar take as it is. */
export function fileNameOf({ name }: Pick<MigrationFile, "name">): string {
  return name.replaceAll(/[^\w./-]/g, "_");
}

/**
 * The list of what was applied belongs to the superuser: who owns the database can add to it and nothing more, so that nothing of his
 * (a trigger, a view) is ever run by somebody else who reads it.
 */
export function ledgerSql(owner: string): string {
  const mustBeOurs = `do $hostkit$
begin
  if exists (select from pg_catalog.pg_namespace n left join pg_catalog.pg_class c on c.relnamespace = n.oid
      and c.relname in ('migrations', 'migration_statements')
    where n.nspname = 'hostkit' and (not (select rolsuper from pg_catalog.pg_roles where oid = n.nspowner)
      or c.relkind <> 'r' or not (select rolsuper from pg_catalog.pg_roles where oid = c.relowner))) then
    raise exception 'schema hostkit is somebody else''s, and hostkit keeps its list of migrations there: rename it';
  end if;
end
$hostkit$;
`;
  return `${mustBeOurs}create schema if not exists hostkit;
create table if not exists hostkit.migrations (
  name text primary key, sha256 text not null, applied_at timestamptz not null default now());
create table if not exists hostkit.migration_statements (
  name text, what text, number integer not null, sha256 text not null, is_done boolean not null, primary key (name, what));
grant usage on schema hostkit to ${owner};
grant insert on hostkit.migrations to ${owner};
grant select, insert, update, delete on hostkit.migration_statements to ${owner};
`;
}

/**
 * The session of a migration as psql runs it. psql sees nothing of the migration itself: each statement is a text that `\gexec` hands
 * to the server as it is, so that no backslash and no colon means anything.
 */
export function renderSession(file: MigrationFile, migration: Migration): PsqlFiles {
  return migration.isAlone ? renderAlone(file, migration) : renderTransaction(file, migration);
}

/** What runs first; its only output is the transaction's number. */
const beginText = `set lock_timeout = '60s';
select pg_catalog.pg_try_advisory_lock(${lockKey}) as hostkit_is_alone \\gset
\\if :hostkit_is_alone
\\else
do $$ begin raise exception 'another session migrates this database'; end $$;
\\endif
`;

/** psql's messages name the file and the line in which the statement ends: every statement stays in its line. */
function renderTransaction(file: MigrationFile, { statements }: Migration): PsqlFiles {
  let text = "";
  let line = 1;
  const early = countEarly(statements);
  for (const statement of statements.slice(early)) {
    const { body, bodyLine } = trimAbove(statement);
    text += "\n".repeat(Math.max(0, bodyLine - line));
    text += `${executeText(body)} \\\\ `;
    line = Math.max(line, bodyLine) + countLines(body);
  }
  const insert = insertText(file);
  return [
    {
      path: "begin.psql",
      text: `${renderEarly(statements.slice(0, early))}${beginText}select pg_catalog.txid_current() as hostkit_transaction \\gset
\\echo ${transactionMark} :hostkit_transaction
`,
    },
    { path: fileNameOf(file), text: `${text}\n` },
    {
      path: "end.psql",
      text: `reset session authorization;
reset role;
select pg_catalog.txid_current_if_assigned() is not distinct from :hostkit_transaction as hostkit_is_one \\gset
\\if :hostkit_is_one
${insert}
\\else
do $$ begin raise exception 'the file ended the transaction it ran in'; end $$;
\\endif
`,
    },
  ];
}

/**
 * SET TRANSACTION ISOLATION LEVEL has to come before any query, so also before the one that hands a text to the server: where a file
 * begins with it, it is written out of its words.
 */
function countEarly(statements: readonly SqlStatement[]): number {
  const other = statements.findIndex(
    ({ tokens }) =>
      tokens[0] !== "set" ||
      tokens[1] !== "transaction" ||
      !tokens.every((token) => /^(?:[a-z]+|,)$/.test(token)),
  );
  return other < 0 ? statements.length : other;
}

function renderEarly(statements: readonly SqlStatement[]): string {
  return statements.map(({ tokens }) => `${tokens.join(" ")};\n`).join("");
}

/** Each statement by itself, with a note before and after: the next run goes on where this one stopped. */
function renderAlone(file: MigrationFile, { statements }: Migration): PsqlFiles {
  const name = quoteLiteral(file.name);
  const files: { path: string; text: string }[] = [];
  const seen = new Map<string, number>();
  let main = beginText;
  for (const [index, statement] of statements.entries()) {
    const path = `statement-${index + 1}/${fileNameOf(file)}`;
    const { body, bodyLine } = trimAbove(statement);
    files.push({ path, text: `${"\n".repeat(bodyLine - 1)}${executeText(body)}\n` });
    const include = `\\ir ${path}\n`;
    const effect = transactionEffect(statement);
    if (effect === "session") {
      main += include;
      continue;
    }
    const sha256 = hashStatement(statement);
    const times = (seen.get(sha256) ?? 0) + 1;
    seen.set(sha256, times);
    const what = quoteLiteral(identify(statement, `${sha256} ${times}`));
    const values = `${name}, ${what}, ${index + 1}, ${quoteLiteral(sha256)}`;
    const note = (isDone: boolean) =>
      `insert into hostkit.migration_statements values (${values}, ${isDone})
  on conflict (name, what) do update set number = excluded.number, sha256 = excluded.sha256, is_done = excluded.is_done;
`;
    const isIn = (state: string) =>
      `exists (select from hostkit.migration_statements where name = ${name} and what = ${what} and ${state})`;
    main += `select ${isIn("is_done")} as is_done, ${isIn("not is_done")} as is_begun \\gset\n`;
    main += settleText(statement);
    const run =
      effect === "none"
        ? `begin;\n${include}${note(true)}commit;\n`
        : `${note(false)}${include}${note(true)}`;
    main += `\\if :is_done\n${note(true)}\\else\n${run}\\endif\n`;
  }
  main += `begin;
${insertText(file)}
delete from hostkit.migration_statements where name = ${name};
commit;
`;
  return [{ path: "session.psql", text: main }, ...files];
}

/** By which a statement is known again in a later run, also where it was mended: an index that was begun by its name. */
function identify(statement: SqlStatement, otherwise: string): string {
  const concurrent = findConcurrentIndex(statement);
  return concurrent?.action === "create" && concurrent.index !== undefined
    ? `index ${concurrent.table} ${concurrent.index}`
    : otherwise;
}

/** Of a statement's text; a statement that was done must still have it. */
export function hashStatement(statement: SqlStatement): string {
  return hashText(statement.text.trim());
}

/** CREATE and DROP INDEX CONCURRENTLY that were interrupted: what they left tells whether there is anything to do. */
function settleText(statement: SqlStatement): string {
  const concurrent = findConcurrentIndex(statement);
  if (concurrent?.index === undefined) return "";
  const index = quoteLiteral(concurrent.index);
  const settle =
    concurrent.action === "drop"
      ? `select pg_catalog.to_regclass(${index}) is null as is_done \\gset\n`
      : `select pg_catalog.format('drop index concurrently %s', i.indexrelid::pg_catalog.regclass) ${invalidIndex(index, concurrent.table)} and not i.indisvalid \\gexec
select exists (select ${invalidIndex(index, concurrent.table)} and i.indisvalid) as is_done \\gset
`;
  return `\\if :is_begun\n${settle}\\endif\n`;
}

function invalidIndex(index: string, table: string | undefined): string {
  return `from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
  where i.indrelid = pg_catalog.to_regclass(${quoteLiteral(table ?? "")}) and c.relname = (pg_catalog.parse_ident(${index}))[1]`;
}

function insertText(file: MigrationFile): string {
  return `insert into hostkit.migrations (name, sha256) values (${quoteLiteral(file.name)}, ${quoteLiteral(hashMigration(file))});`;
}

/** A statement without the empty lines above it, and the line in which it then begins; comments stay. */
function trimAbove({ text, begin }: SqlStatement): { body: string; bodyLine: number } {
  const body = text.trimStart();
  return { body, bodyLine: begin + countLines(text.slice(0, text.length - body.length)) };
}

function executeText(statement: string): string {
  return `select ${quoteDollar(statement)} \\gexec`;
}

/** A string constant in which nothing is read. PostgreSQL manual 4.1.2.4. */
function quoteDollar(text: string): string {
  for (let number = 0; ; number += 1) {
    const tag = `$hostkit${number === 0 ? "" : number}$`;
    if (`${text}${tag}`.indexOf(tag) === text.length) return `${tag}${text}${tag}`;
  }
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}
