import { psqlProgram } from "../../facts/postgres/psql.ts";
import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { postgresUnitOf } from "./unit.ts";

/** A place of hostkit's own that a failed change of a cluster takes back: as what it is kept, and where it stands. */
export interface KeptFile {
  readonly as: string;
  readonly path: string;
}

/** What stood before the first change that is not proved yet; over runs, so that one that is cut off loses nothing. */
export function recordOf(stackDirectory: string, major: number): string {
  return `${stackDirectory}/postgresql-${major}-before`;
}

/** Where this run keeps files that are not hostkit's alone. */
const ofThisRun = (major: number): Script => sh`"$HOSTKIT_RUN/postgresql-"${major}`;

/**
 * Functions: `answers`, `prove` (prints what each database and tablespace can do), `proved` (nothing that could be done before cannot
 * be done now).
 */
export function proofFunctions(major: number, record: string): Script {
  const unit = postgresUnitOf(major);
  return sh`record=${record}
ask() { PGDATABASE=$1 PGCONNECT_TIMEOUT=20 ${psqlProgram(major, sh`-XAtq -v ON_ERROR_STOP=1`)}; }
answers() {
  tries=0
  until echo 'select 1' | ask postgres >/dev/null 2>answer; do
    state=$(systemctl show -p ActiveState --value ${unit})
    tries=$((tries + 1))
    if [ "$tries" -ge 600 ] || [ "$state" = failed ]; then return 1; fi
    # Started again and again: it ends as soon as it is up.
    if [ "$state" = activating ] && [ "$tries" -ge 80 ] && ! grep -q 'starting up\\|recovery' answer; then return 1; fi
    sleep 0.1
  done
}
${proveFunction}
lost=
proved() {
  lost=
  [ -e "$record/able" ] || return 0
  answers && prove >able && lost=$(LC_ALL=C comm -23 "$record/able" able) && [ -z "$lost" ]
}`;
}

/**
 * In a transaction of its own, in a temporary table, past event triggers of the owner's. Databases whose owner lets nobody write
 * (default_transaction_read_only) are only asked for what they can.
 */
const proveFunction = rawScript(`prove() {
  echo "select datname from pg_database where datallowconn and not datistemplate" | ask postgres >databases || return 1
  echo "select spcname from pg_tablespace where spcname not in ('pg_default', 'pg_global')" | ask postgres >tablespaces || return 1
  {
    while IFS= read -r database; do
      ask "$database" 2>/dev/null <<'SQL' | while IFS= read -r can; do echo "$can $database"; done || :
select 'read';
set session_replication_role = replica;
begin;
create temp table hostkit_proof (x int) on commit drop;
insert into hostkit_proof values (1);
commit;
select 'write';
SQL
    done <databases
    while IFS= read -r tablespace; do
      ask postgres 2>/dev/null <<SQL || :
set session_replication_role = replica;
select 'create temp table hostkit_proof (x int) tablespace ' || quote_ident(spcname) from pg_tablespace where spcname = \\$hk\\$$tablespace\\$hk\\$ \\\\gexec
insert into hostkit_proof values (1);
select 'write tablespace ' || \\$hk\\$$tablespace\\$hk\\$;
SQL
    done <tablespaces
  } | LC_ALL=C sort
}`);

/** Keeps hostkit's own files, what every database can do, and (for this run) the files that are others' too. */
export function recordScript(
  major: number,
  own: readonly KeptFile[],
  shared: readonly KeptFile[],
): Script {
  const keep = (files: readonly KeptFile[], folder: Script): Script =>
    joinScripts(files.map(({ as, path }) => sh`hk_keep ${path} ${folder}/${as}`));
  return sh`if [ ! -d "$record" ]; then
  rm -rf "$record.new"
  mkdir -m 0700 "$record.new"
${keep(own, sh`"$record.new"`)}
  if systemctl is-active -q ${postgresUnitOf(major)} || echo 'select 1' | ask postgres >/dev/null 2>&1; then
    if ! answers || ! prove >"$record.new/able"; then
      rm -rf "$record.new"
      echo "PostgreSQL runs but does not answer; nothing of it was touched:" >&2
      cat answer >&2
      exit 1
    fi
  else
    : >"$record.new/down"
  fi
  mv "$record.new" "$record"
fi
mkdir -p -m 0700 ${ofThisRun(major)}
${keep(shared, ofThisRun(major))}`;
}

/** The function \`take_back WHY\`: everything as it was, looked at, and said; ends the step. */
export function takeBackFunction(
  major: number,
  own: readonly KeptFile[],
  shared: readonly KeptFile[],
): Script {
  const unit = postgresUnitOf(major);
  const lines = [
    ...own.map(({ as, path }) => sh`  hk_put_back "$record"/${as} ${path}`.text),
    ...shared.map(
      ({ as, path }) =>
        sh`  [ ! -e ${ofThisRun(major)}/${as} ] || hk_rewrite ${ofThisRun(major)}/${as} ${path}`
          .text,
    ),
  ];
  return sh`take_back() {
  echo "$1" >&2
  [ ! -s why ] || cat why >&2
${{ text: lines.join("\n") }}
  [ ! -e "$record/altered" ] || hk_put_back "$record/postgresql.auto.conf" "$(cat "$record/altered")"
  systemctl daemon-reload
  systemctl reset-failed ${unit} 2>/dev/null || :
  if [ -e "$record/down" ]; then
    systemctl stop ${unit} || :
    case $(systemctl is-active ${unit}) in
      inactive | failed) echo "everything is as it was: PostgreSQL is stopped" >&2; rm -rf "$record" ;;
      *) echo "its files are as they were, but PostgreSQL cannot be stopped" >&2 ;;
    esac
    exit 1
  fi
  if [ -n "$restarted" ] || ! answers; then systemctl restart ${unit} || :; else systemctl reload ${unit} || :; fi
  lost=
  if answers && proved; then
    echo "everything is as it was: PostgreSQL answers, and all that could be read and written before can be again" >&2
    rm -rf "$record"
  elif [ -n "$lost" ]; then
    echo "its files are as they were and PostgreSQL answers, but this cannot be done any more:" >&2
    printf '%s\\n' "$lost" | head -n 20 >&2
  else
    echo "its files are as they were, and PostgreSQL does NOT answer. Look at: systemctl status ${{ text: unit }}" >&2
    cat answer >&2
  fi
  exit 1
}
restarted=`;
}
