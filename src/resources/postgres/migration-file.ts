import { hashText } from "../../facts/files/hash.ts";
import { splitStatements } from "../../facts/postgres/sql-statements.ts";
import type { SqlStatement } from "../../facts/postgres/sql-statements.ts";
import {
  findAddedValue,
  findConcurrentIndex,
  transactionEffect,
} from "../../facts/postgres/sql-transactions.ts";
import { findWayUp } from "./migration-ways.ts";

/** A migration as it lies on disk. */
export interface MigrationFile {
  /** `0001_init.sql`; Prisma's: `20240101000000_init/migration.sql`. Under this name it stands in hostkit.migrations. */
  readonly name: string;
  readonly text: string;
  /** Why it cannot be run whatever it says: not UTF-8. */
  readonly fault?: { readonly line: number; readonly message: string };
}

export interface MigrationProblem {
  readonly severity: "error" | "warning";
  readonly line: number;
  readonly message: string;
}

/** A migration, understood. */
export interface Migration {
  /** Only those of the way up, without a BEGIN and COMMIT around all of them. */
  readonly statements: readonly SqlStatement[];
  /** Each statement by itself, because one of them cannot run in a transaction and the file says so. */
  readonly isAlone: boolean;
  readonly problems: readonly MigrationProblem[];
}

/** The line that a file needs whose statements cannot run in a transaction. */
export const aloneMarker = "-- hostkit: no transaction";

/** Line ends and a byte order mark are the checkout's business, not the migration's. */
function normalize(text: string): string {
  return text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
}

/** What is written into the list of applied migrations. */
export function hashMigration({ text }: Pick<MigrationFile, "text">): string {
  return hashText(normalize(text));
}

/** Whether a file is the one of that hash: also of one that an earlier hostkit wrote down, over the bytes of another checkout. */
export function isMigration({ text }: Pick<MigrationFile, "text">, sha256: string): boolean {
  return listHashes(text).some((hash) => hash() === sha256);
}

/** Every hash under which a migration may stand in the list. */
export function listMigrationHashes({ text }: Pick<MigrationFile, "text">): string[] {
  return [...new Set(listHashes(text).map((hash) => hash()))];
}

function listHashes(text: string): readonly (() => string)[] {
  const plain = normalize(text);
  const dos = plain.replaceAll("\n", "\r\n");
  return [
    () => hashText(plain),
    () => hashText(text),
    () => hashText(dos),
    () => hashText(`\uFEFF${plain}`),
    () => hashText(`\uFEFF${dos}`),
  ];
}

/** The number a name begins with; Flyway's: V1, V1_2, V1.2.3. undefined: no migration's name. */
export function migrationNumber(name: string): readonly bigint[] | undefined {
  const flyway = /^V(\d+(?:[._]\d+)*)__/.exec(name)?.[1];
  if (flyway !== undefined) return flyway.split(/[._]/).map(BigInt);
  const digits = /^\d+/.exec(name)?.[0];
  return digits === undefined ? undefined : [BigInt(digits)];
}

/** For sorting: by number, then by name. */
export function compareMigrations(left: string, right: string): number {
  const a = migrationNumber(left) ?? [];
  const b = migrationNumber(right) ?? [];
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const difference = (a[at] ?? 0n) - (b[at] ?? 0n);
    if (difference !== 0n) return difference < 0n ? -1 : 1;
  }
  return left < right ? -1 : Number(left > right);
}

/** What a file would run, and everything that speaks against it. */
export function readMigration(file: MigrationFile): Migration {
  const text = normalize(file.text);
  const { text: up, isAlone: isForeignAlone, faults: ways } = findWayUp(text);
  const { statements, faults } = splitStatements(up);
  const marker = findMarker(text, statements[0]?.line ?? Number.POSITIVE_INFINITY);
  const isAlone = isForeignAlone || marker.isAlone;
  const run = isAlone ? statements : unwrap(statements);
  const errors = [
    ...(file.fault === undefined ? [] : [file.fault]),
    ...placeholders(file.name, text),
    ...ways,
    ...marker.faults,
    ...faults,
    ...run.flatMap((statement) => checkStatement(statement, isAlone)),
  ];
  const warnings = isAlone ? [] : checkAddedValues(run);
  if (errors.length === 0 && run.length === 0)
    warnings.push({ line: 1, message: "there is no statement in it" });
  return {
    statements: run,
    isAlone,
    problems: [
      ...errors.map((error) => ({ ...error, severity: "error" as const })),
      ...warnings.map((warning) => ({ ...warning, severity: "warning" as const })),
    ].sort((left, right) => left.line - right.line),
  };
}

interface Fault {
  readonly line: number;
  readonly message: string;
}

function findMarker(text: string, firstLine: number): { isAlone: boolean; faults: Fault[] } {
  const faults: Fault[] = [];
  let isAlone = false;
  for (const [index, line] of text.split("\n").entries()) {
    const said = /^\s*--\s*hostkit:\s*(.*?)\s*$/i.exec(line)?.[1];
    if (said === undefined) continue;
    if (!/^no\s+transaction$/i.test(said))
      faults.push({ line: index + 1, message: `hostkit knows only "${aloneMarker}"` });
    else if (index + 1 > firstLine)
      faults.push({ line: index + 1, message: "this line belongs above the first statement" });
    else isAlone = true;
  }
  return { isAlone, faults };
}

/** Flyway fills these in before it runs a file. */
function placeholders(name: string, text: string): Fault[] {
  if (!/^V[\d._]+__/.test(name)) return [];
  return text.split("\n").flatMap((line, index) => {
    const found = /\$\{[^}\s]+\}/.exec(line)?.[0];
    return found === undefined
      ? []
      : [{ line: index + 1, message: `${found} is a placeholder of Flyway; write its value` }];
  });
}

/** BEGIN and COMMIT around all the rest say what hostkit does anyway. */
function unwrap(statements: readonly SqlStatement[]): readonly SqlStatement[] {
  const [first] = statements;
  const last = statements.at(-1);
  if (first === undefined || last === undefined || first === last) return statements;
  const isBegin = /^(?:begin|start transaction)(?: work| transaction)?$/.test(
    first.tokens.join(" "),
  );
  const isCommit = /^(?:commit|end)(?: work| transaction)?$/.test(last.tokens.join(" "));
  const inside = statements.slice(1, -1);
  const isAll = inside.every((statement) => transactionEffect(statement) !== "controls");
  return isBegin && isCommit && isAll ? inside : statements;
}

function checkStatement(statement: SqlStatement, isAlone: boolean): Fault[] {
  const { line, tokens } = statement;
  const said = shorten(tokens);
  const fault = (message: string): Fault[] => [{ line, message }];
  const effect = transactionEffect(statement);
  if (effect === "controls")
    return fault(
      isAlone
        ? `${said}: each statement of this file is run by itself; leave it out`
        : `${said}: hostkit runs the whole file in one transaction; leave it out`,
    );
  const superuser = /^(?:create|drop) (?:database|tablespace)$|^alter system$/;
  if (superuser.test(tokens.slice(0, 2).join(" ")))
    return fault(
      `${said} needs more than the database's owner may; databases and settings stand in hostkit.yaml`,
    );
  if (effect === "alone" && !isAlone)
    return fault(
      `${said} cannot run in a transaction: write "${aloneMarker}" into the file's first line, and keep other statements in a file of their own`,
    );
  const index = findConcurrentIndex(statement);
  if (isAlone && index?.action === "create" && index.index === undefined)
    return fault(
      `${said}: give the index a name, so that it is known again when it is interrupted`,
    );
  return checkSetting(tokens, line);
}

/** Settings that would make the server read the rest differently from what was checked. */
function checkSetting(tokens: readonly string[], line: number): Fault[] {
  if (tokens[0] !== "set") return [];
  const at = ["session", "local"].includes(tokens[1] ?? "") ? 2 : 1;
  const value = (tokens[at + 2] ?? "").replaceAll("'", "").toLowerCase();
  if (tokens[at] === "standard_conforming_strings" && !["on", "true", "1", "yes"].includes(value))
    return [{ line, message: "strings are read as the SQL standard says; this cannot be changed" }];
  if (
    ["client_encoding", "names"].includes(tokens[at] ?? "") &&
    !tokens.some((token) => /^'?(?:utf-?8|unicode|default)'?$/i.test(token))
  )
    return [{ line, message: "the file is sent as UTF-8, whatever the server is told here" }];
  return [];
}

function checkAddedValues(statements: readonly SqlStatement[]): Fault[] {
  return statements.flatMap((statement, index) => {
    const value = isMadeAbove(statement, statements.slice(0, index))
      ? undefined
      : findAddedValue(statement);
    const user =
      value === undefined
        ? undefined
        : statements.slice(index + 1).find(({ text }) => text.includes(value));
    return user === undefined
      ? []
      : [
          {
            line: user.line,
            message: `${value} is added to a type in line ${statement.line} and cannot be used in the same transaction: put it into the next file, or write "${aloneMarker}" into the first line`,
          },
        ];
  });
}

/** The values of a type that is as new as they are can be used at once. */
function isMadeAbove({ tokens }: SqlStatement, above: readonly SqlStatement[]): boolean {
  return above.some(
    (one) => one.tokens[0] === "create" && one.tokens[1] === "type" && one.tokens[2] === tokens[2],
  );
}

function shorten(tokens: readonly string[]): string {
  const words = tokens.slice(0, 6).filter((token) => /^[a-z_]/.test(token));
  const known = words.findIndex((word) => ["concurrently", "on", "to"].includes(word));
  return words
    .slice(0, known < 0 ? 2 : known + 1)
    .join(" ")
    .toUpperCase();
}
