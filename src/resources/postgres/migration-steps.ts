import { psqlScript } from "../../facts/postgres/psql.ts";
import { quoteIdentifier, quoteLiteral } from "../../facts/postgres/sql.ts";
import { hashText } from "../../facts/files/hash.ts";
import { transactionEffect } from "../../facts/postgres/sql-transactions.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { aloneMarker, listMigrationHashes } from "./migration-file.ts";
import type { Migration, MigrationFile } from "./migration-file.ts";
import {
  fileNameOf,
  hashStatement,
  migratingSql,
  renderSession,
  transactionMark,
} from "./migration-script.ts";
import { restorePointScript } from "./restore-point.ts";
import type { Step } from "../resource.ts";

/** A database whose owner logs in to change it. */
export interface MigratedDatabase {
  readonly name: string;
  readonly major: number;
  readonly owner: string;
  /** What the owner's role is like at other times: it may log in, so often, while its migrations run. */
  readonly ownerLogin: boolean;
  readonly ownerConnectionLimit: number;
  /** As written in the manifest, without a slash at the end. */
  readonly folder: string;
}

interface Applied {
  readonly file: MigrationFile;
  readonly migration: Migration;
}

/** The uploads and the one script that applies a migration. */
export function applyMigrationSteps(database: MigratedDatabase, applied: Applied): Step[] {
  const { file, migration } = applied;
  const at = `migrations/${fileNameOf(file)}.d`;
  return [
    ...renderSession(file, migration).map(({ path, text }): Step => ({
      type: "upload",
      as: `${at}/${path}`,
      content: { text },
    })),
    {
      type: "script",
      title: `apply ${file.name} to ${database.name}`,
      bound: { seconds: 24 * 3600, waitsFor: `the migration ${file.name}` },
      script: sh`source=$PWD/${at}
${readLedger(database, applied)}
${waitForOthers(database)}
${restorePointScript(database.major, `${database.name}-${file.name}`, `migration ${file.name} in ${database.name}`)}
${openLogin(database)}
# Only root writes here, and postgres reads: it is psql's user.
readable=$(mktemp -d /run/hostkit-migration.XXXXXX)
trap 'rm -rf "$readable"; close_login' EXIT
trap 'exit 143' HUP INT TERM
cp -R "$source/." "$readable"
chown -R root:postgres "$readable"
chmod -R u=rwX,g=rX,o= "$readable"
( cd "$readable" && ${sessionProgram(database, applied)} ) >out 2>said || failed=$?
cat said >&2
[ -n "\${failed-}" ] || exit 0
${migration.isAlone ? explainAlone(database, applied) : explainTransaction(database, applied)}`,
    },
  ];
}

/** Asked again, because the plan may have been made while the server was down. */
function readLedger({ name, major }: MigratedDatabase, { file, migration }: Applied): Script {
  const ask = psqlScript(major, name, [
    "-c",
    `select sha256 from hostkit.migrations where name = ${quoteLiteral(file.name)}`,
  ]);
  const known = joinScripts(
    listMigrationHashes(file).map((hash) => sh`[ "$1" != ${hash} ] || return 0`),
  );
  return sh`ask() { ${ask}; }
is_this() {
${known}
  return 1
}
applied=$(ask)
if is_this "$applied"; then
  echo "applied earlier"
  exit 0
fi
if [ -n "$applied" ]; then
  echo ${editedMessage(name, file.name)} >&2
  exit 1
fi
${compareStatements({ name, major }, { file, migration })}`;
}

/** What a run that was interrupted has done must still stand at the same place. */
function compareStatements(
  { name, major }: Pick<MigratedDatabase, "name" | "major">,
  { file, migration }: Applied,
): Script {
  const same = migration.isAlone
    ? migration.statements.map(
        (statement, index) => `(${index + 1}, ${quoteLiteral(hashStatement(statement))})`,
      )
    : [];
  const isSame = same.length === 0 ? "false" : `(number, sha256) in (values ${same.join(", ")})`;
  const ask = psqlScript(major, name, [
    "-c",
    `select string_agg(number::text, ', ' order by number) from hostkit.migration_statements where name = ${quoteLiteral(file.name)} and is_done and not ${isSame}`,
  ]);
  return sh`changed=$(${ask})
if [ -n "$changed" ]; then
  echo ${`${file.name} was begun earlier, one statement after the other; changed since they ran: statement`} "$changed" >&2
  echo ${`put them back as they were (with the line "${aloneMarker}"); those that did not run may be changed`} >&2
  exit 1
fi`;
}

/** A session whose run was killed goes on until it has an answer for it. */
function waitForOthers({ name, major }: MigratedDatabase): Script {
  return sh`tries=0
while [ "$(${psqlScript(major, name, ["-c", migratingSql])})" != 0 ]; do
  [ "$tries" -gt 0 ] || echo ${`an earlier migration is still at work in ${name}; waiting for it`} >&2
  tries=$((tries + 1))
  if [ "$tries" -ge 7200 ]; then
    echo ${`it has been for an hour: select pid, query from pg_stat_activity where datname = '${name}'`} >&2
    exit 1
  fi
  sleep 0.5
done`;
}

/** Mostly the owner is a role that nobody logs in as. The lock is for a second database of the same owner. */
function openLogin({ major, owner, ownerLogin, ownerConnectionLimit }: MigratedDatabase): Script {
  if (ownerLogin && ownerConnectionLimit < 0) return sh`close_login() { :; }`;
  const role = quoteIdentifier(owner);
  const alter = (login: boolean, limit: number) =>
    psqlScript(major, "postgres", [
      "-c",
      `alter role ${role} ${login ? "login" : "nologin"} connection limit ${limit}`,
    ]);
  return sh`exec 7>${`/run/hostkit-login-${major}-${hashText(owner).slice(0, 16)}.lock`}
if ! flock -w 300 7; then
  echo ${`another run migrates a database of ${owner} for five minutes now`} >&2
  exit 1
fi
close_login() { ${alter(ownerLogin, ownerConnectionLimit)}; }
trap close_login EXIT
${alter(true, -1)}`;
}

/** Over the socket, by the line in pg_ident.conf that lets postgres in as the owner: there is no way back from that to postgres. */
function sessionProgram(
  { name, major, owner }: MigratedDatabase,
  { file, migration }: Applied,
): Script {
  const words = migration.isAlone
    ? ["-f", "session.psql"]
    : ["-1", "-f", "begin.psql", "-f", fileNameOf(file), "-f", "end.psql"];
  return sh`PGCLIENTENCODING=UTF8 PGAPPNAME=hostkit PGOPTIONS=${"-c standard_conforming_strings=on"} ${psqlScript(major, name, ["-U", owner, ...words])} </dev/null`;
}

/** Said only after the server was asked what became of the transaction. */
function explainTransaction({ name, major }: MigratedDatabase, { file }: Applied): Script {
  return sh`transaction=$(sed -n ${`s/^${transactionMark} \\([0-9][0-9]*\\)$/\\1/p`} out)
became() {
  if [ -z "$transaction" ]; then echo none; return; fi
  ${psqlScript(major, name, ["-c"])} "select coalesce(txid_status($transaction), 'unknown')" 2>/dev/null || echo unknown
}
tries=0
while status=$(became); [ "$status" = "in progress" ] && [ "$tries" -lt 300 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
if is_this "$(ask || true)"; then
  echo "applied, although psql was told nothing of it"
  exit 0
fi
case "$status" in
  none) echo ${`${file.name} did not begin: nothing of it is in ${name}`} >&2 ;;
  aborted) echo ${`${file.name} failed and was rolled back: nothing of it is in ${name}`} >&2 ;;
  committed) echo ${`${file.name} ended its transaction itself: parts of it are in ${name}, and it is not noted as applied. Take them out, or leave them out of the file, before the next provision.`} >&2 ;;
  *) echo ${`${file.name} failed; what became of its transaction cannot be told, the server says:`} "$status" >&2 ;;
esac
if grep -q -e ${"unsafe use of new value"} -e ${"cannot run inside a transaction block"} -e ${"invalid transaction termination"} said; then
  echo ${`A file that cannot run in one transaction says so in its first line: ${aloneMarker}`} >&2
fi
exit 1`;
}

/** Which statements are in the database, which one stopped, and which did not run: read from the notes. */
function explainAlone({ name, major }: MigratedDatabase, { file, migration }: Applied): Script {
  const counted = migration.statements
    .map((statement, index) => ({ statement, number: index + 1 }))
    .filter(({ statement }) => transactionEffect(statement) !== "session");
  const ask = psqlScript(major, name, [
    "-c",
    `select coalesce(max(number) filter (where is_done), 0) from hostkit.migration_statements where name = ${quoteLiteral(file.name)}`,
  ]);
  const invalid = psqlScript(major, name, [
    "-c",
    "select string_agg(indexrelid::regclass::text, ', ') from pg_index where not indisvalid",
  ]);
  const cases = counted.map(
    ({ statement, number }, index) =>
      sh`  ${counted[index - 1]?.number ?? 0}) echo ${describeStop(file, statement, number, index, counted.length)} >&2 ;;`,
  );
  return sh`if is_this "$(ask || true)"; then
  echo "applied, although psql was told nothing of it"
  exit 0
fi
if ! done=$(${ask}); then
  echo ${`${file.name} stopped; the server does not say where`} >&2
  exit 1
fi
case "$done" in
${joinScripts(cases)}
  *) echo ${`every statement of ${file.name} ran; it is not noted as applied yet`} >&2 ;;
esac
invalid=$(${invalid} || true)
[ -z "$invalid" ] || echo "indexes that are not valid: $invalid" >&2
echo ${`Mend the file from there on; the next provision goes on with that statement.`} >&2
exit 1`;
}

function describeStop(
  file: MigrationFile,
  statement: Migration["statements"][number],
  number: number,
  before: number,
  all: number,
): string {
  const rolledBack =
    transactionEffect(statement) === "none"
      ? "was rolled back"
      : "did not end well, and what it had done may be there";
  const earlier =
    before === 0
      ? "none ran before it"
      : before === 1
        ? "the one before it is applied"
        : `the ${before} before it are applied`;
  const later = all - before - 1;
  const rest = later === 0 ? "" : `, the ${later} after it did not run`;
  return `${file.name}: statement ${number} (line ${statement.line}) ${rolledBack}; ${earlier}${rest}.`;
}

/** Told where a file is no longer what it was when it was applied. */
export function editedMessage(database: string, files: string): string {
  return `${files}: edited after it was applied to ${database}. Put the old text back and write the change as a new, higher numbered file.`;
}
