# A PostgreSQL cluster brought back beside the one that runs, and put in its place: the steps of `hostkit restore postgres`.
#
# The copy lies beside the data, in the same folder, as `<data>.hostkit-restore`. The two are exchanged by renameat2(RENAME_EXCHANGE),
# which is one act for the file system: after a power cut either the old one or the new one stands at the data's place, whole. What is
# begun is in $rs_place/state before it begins, with the inodes of both, so that whoever comes later can tell which of them is served.
#
#   stage      begun, swapping, swapped, undone
#   old, new   inode number of the folder that was served before, and of the restored one
#   kind       database, tables: only a part is brought back (restore-part.sh); absent: the whole cluster
#
# The step sets: rs_stack rs_major rs_data rs_port rs_socket_folder (of the running cluster) rs_lock
set -u
rs_place=$HOSTKIT_STACK_DIRECTORY/restore
rs_state=$rs_place/state
rs_bin=/usr/lib/postgresql/$rs_major/bin
rs_config=/etc/postgresql/$rs_major/main
rs_unit=postgresql@$rs_major-main.service
rs_server=hostkit-restore-$rs_stack.service
rs_run=/run/hostkit-restore-$rs_stack

rs_fail() { printf '%s\n' "$@" >&2; exit 1; }

rs_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

# rs_note KEY VALUE…: on the disk before it returns
rs_note() {
  { sed "/^$1 /d" "$rs_state" 2>/dev/null || :; echo "$*"; } >"$rs_state.new"
  sync "$rs_state.new" && mv -f "$rs_state.new" "$rs_state" && sync "$rs_place"
}

rs_known() { sed -n "s/^$1 //p" "$rs_state" 2>/dev/null || :; }

# Goes into the folder that the data lies in, and says who acts there: in a folder of PostgreSQL's, PostgreSQL's user.
rs_enter() {
  hk_enter "${rs_data%/*}/" || rs_fail "${rs_data%/*} is not there"
  rs_name=${rs_data##*/}
  rs_beside=$rs_name.hostkit-restore
  if [ "$hk_safe" = yes ]; then rs_as=
  elif [ "$hk_owner" = "$(id -u postgres)" ]; then rs_as=rs_postgres
  else hk_name_owner; rs_fail "$hk_who can change what is in ${rs_data%/*}: nothing is restored there"; fi
}

# The folder's inode number; nothing for what is no folder.
rs_inode() { if [ -d "$1" ] && [ ! -L "$1" ]; then stat -c %i -- "$1"; fi; }

# Which of the two is at the data's place: old, new or unknown.
rs_served() {
  if [ "$(rs_known kind)" = database ]; then
    rs_served_database
    return
  fi
  rs_at=$(rs_inode "./$rs_name")
  if [ -n "$rs_at" ] && [ "$rs_at" = "$(rs_known new)" ]; then echo new
  elif [ "$rs_at" = "$(rs_known old)" ]; then echo old
  else echo unknown; fi
}

# rs_exchange A B: both names at once, or nothing
rs_exchange() { hk_exchange "./$1" "./$2" $rs_as && sync .; }

# The copy takes the data's place, or the data comes back.
rs_swap_folders() {
  if [ -e "./$rs_name" ]; then rs_exchange "$rs_name" "$rs_beside"
  else $rs_as mv -T -- "./$rs_beside" "./$rs_name" && sync .; fi
}

rs_remove_beside() { [ ! -e "./$rs_beside" ] || $rs_as rm -rf -- "./$rs_beside"; }

# As the superuser of the copy; of the running cluster.
rs_ask() { rs_postgres "$rs_bin/psql" -XAtq -v ON_ERROR_STOP=1 -h "$rs_run" -p 5432 "$@"; }
rs_ask_live() { rs_postgres "$rs_bin/psql" -XAtq -v ON_ERROR_STOP=1 -h "$rs_socket_folder" -p "$rs_port" "$@"; }

rs_stop_server() {
  systemctl stop "$rs_server" 2>/dev/null || :
  systemctl reset-failed "$rs_server" 2>/dev/null || :
  rm -rf "$rs_run"
}

# Two things with the repository at once, a backup and a restore, would take each other's files away. `shared`: for what takes nothing away,
# a copy and the backup of what is there now.
rs_take_lock() {
  [ -e "$rs_lock" ] || return 0
  exec 7<"$rs_lock"
  flock ${1:+"--$1"} -w 21600 7 || rs_fail "a backup has been running for six hours"
}

# --- the steps ---

# rs_begin ID TARGET: what an earlier one left that never was put in place goes; one that waits for a word stays.
rs_begin() {
  rs_clear_the_way
  rs_try_exchange
  rs_write_begin "$@"
}

rs_clear_the_way() {
  mkdir -p "$rs_place"
  chmod 700 "$rs_place"
  rs_enter
  rs_refuse_waiting
  rs_stop_server
  # Only what a restore left that was not put in place; a folder that nobody knows of may be somebody's data.
  case $(rs_inode "./$rs_beside") in
    '') ;;
    "$(rs_known new)") rs_remove_beside ;;
    *) $rs_as rmdir -- "./$rs_beside" 2>/dev/null ||
      rs_fail "${rs_data%/*}/$rs_beside is there, and nothing says what it is; look at it and take it away" ;;
  esac
  # In a cluster that does not answer it stays where it is, in the data.
  rs_drop_temporary || :
}

rs_refuse_waiting() {
  # A database that waits in a cluster that does not answer is in its data: that stands aside with it.
  [ "$(rs_known kind)" != database ] || rs_ask_live -d postgres -c 'select 1' >/dev/null 2>&1 || return 0
  case $(rs_known stage) in
    swapped) rs_fail "the restore of $(rs_known target) waits for hostkit restore confirm or hostkit restore undo" ;;
    swapping)
      [ "$(rs_served)" != new ] ||
        rs_fail "the restore of $(rs_known target) was put in place and waits for hostkit restore confirm or hostkit restore undo" ;;
  esac
}

# Before hours of copying: whether the file system can do what comes in the end.
rs_try_exchange() {
  for rs_try in "$rs_beside.try-a" "$rs_beside.try-b"; do
    $rs_as rm -rf -- "./$rs_try"
    $rs_as mkdir -m 0700 -- "./$rs_try"
  done
  rs_status=0
  rs_exchange "$rs_beside.try-a" "$rs_beside.try-b" || rs_status=1
  $rs_as rmdir -- "./$rs_beside.try-a" "./$rs_beside.try-b"
  [ "$rs_status" -eq 0 ] || rs_fail "the file system of ${rs_data%/*} cannot exchange two folders in one act; nothing was changed"
  # A mount of its own cannot be renamed.
  if [ -d "./$rs_name" ] && [ "$(stat -c %d .)" != "$(stat -c %d "./$rs_name")" ]; then
    rs_fail "$rs_data is a file system of its own: it cannot be exchanged with a folder beside it; nothing was changed" \
      "see “no room beside” in docs/recovery.md for the way that works in place"
  fi
}

# rs_write_begin ID TARGET [LINE…]: further lines of the state
rs_write_begin() {
  {
    echo "id $1"
    echo "target $2"
    echo "data $rs_data"
    echo "began $(date +%s)"
    shift 2
    for rs_line; do echo "$rs_line"; done
    echo "stage begun"
  } >"$rs_state.new"
  sync "$rs_state.new" && mv -f "$rs_state.new" "$rs_state" && sync "$rs_place"
  rm -f "$rs_place/counts" "$rs_place/notes"
}

# All that is committed by now gets into the archive, behind a commit: recovery to a time stops at the first one behind it.
rs_archive_now() {
  rs_ask_live -d postgres -c "begin; select txid_current(); commit" >/dev/null
  # A script of an earlier hostkit cannot.
  rs_postgres "${rs_lock%/*}/backup-postgres" catch-up || :
  rs_postgres pgbackrest --stanza="$rs_stack" --log-level-console=warn --log-level-file=off check
}

# rs_safety REPOSITORY: what the repository has not got yet of now
rs_safety() {
  rs_take_lock shared
  rs_postgres pgbackrest --stanza="$rs_stack" --repo="$1" --type=incr --no-expire-auto --log-level-console=warn backup
}

# rs_fetch OPTION…: pgBackRest's restore into the folder beside
rs_fetch() {
  rs_take_lock shared
  rs_enter
  rs_postgres test -x . || rs_fail "PostgreSQL's user cannot enter ${rs_data%/*}"
  rs_make_beside
  rs_fill_beside "$@"
}

rs_make_beside() {
  $rs_as mkdir -m 0700 -- "./$rs_beside"
  [ -n "$rs_as" ] || chown postgres:postgres "./$rs_beside"
  rs_note new "$(rs_inode "./$rs_beside")"
}

# rs_fill_beside OPTION…: somebody waits for it, so with every processor
rs_fill_beside() {
  rs_processes=$(nproc)
  [ "$rs_processes" -le 8 ] || rs_processes=8
  rs_postgres pgbackrest --stanza="$rs_stack" --pg1-path="${rs_data%/*}/$rs_beside" --process-max="$rs_processes" --log-level-console=info "$@" restore
}

# Starts a server on the copy: its own socket and nobody's but the superuser's, no archive, no network, nothing that acts by itself.
rs_start_server() {
  rs_enter
  rs_stop_server
  install -d -m 0700 -o postgres -g postgres "$rs_run"
  echo 'local all postgres peer' >"$rs_run/hba"
  : >"$rs_run/ident"
  chmod 644 "$rs_run/hba" "$rs_run/ident"
  : >"$rs_place/server.log"
  set --
  [ "$rs_major" -lt 17 ] || set -- "$@" -c event_triggers=off
  [ "$rs_major" -ge 15 ] || set -- "$@" -c stats_temp_directory=pg_stat_tmp
  systemd-run --quiet --collect --unit="$rs_server" --description="PostgreSQL on a copy, for hostkit restore" \
    --property=User=postgres --property=Group=postgres --property=UMask=0077 --property=KillMode=mixed --property=KillSignal=SIGINT \
    --property=TimeoutStopSec=1h --property=NoNewPrivileges=yes --property=PrivateTmp=yes \
    --property=StandardOutput="append:$rs_place/server.log" --property=StandardError="append:$rs_place/server.log" \
    "$rs_bin/postgres" -D "${rs_data%/*}/$rs_beside" -c config_file="$rs_config/postgresql.conf" \
    -c data_directory="${rs_data%/*}/$rs_beside" -c hba_file="$rs_run/hba" -c ident_file="$rs_run/ident" -c external_pid_file= \
    -c unix_socket_directories="$rs_run" -c unix_socket_permissions=0700 -c listen_addresses= -c port=5432 -c ssl=off \
    -c archive_mode=off -c logging_collector=off -c log_destination=stderr -c lc_messages=C -c cluster_name=hostkit-restore \
    -c shared_buffers=128MB -c huge_pages=off -c autovacuum=off -c jit=off -c synchronous_standby_names= \
    -c shared_preload_libraries= -c session_preload_libraries= -c local_preload_libraries= -c max_logical_replication_workers=0 -c hot_standby=off "$@"
}

rs_is_up() {
  case $(systemctl show -p ActiveState --value "$rs_server") in active | activating) return 0 ;; esac
  return 1
}

# Until it takes writes: recovery has come to its end. 1: the server is gone.
rs_wait_recovered() {
  while [ "$(rs_ask -d postgres -c 'select pg_is_in_recovery()' 2>/dev/null)" != f ]; do
    rs_is_up || return 1
    sleep 0.2
  done
}

rs_recover() {
  rs_start_server
  if ! rs_wait_recovered; then
    # A time behind the last commit of the archive: all of it was replayed, and nothing in it is younger than the target.
    if grep -q 'recovery ended before configured recovery target was reached' "$rs_place/server.log" &&
      rs_postgres grep -q '^recovery_target_time ' "./$rs_beside/postgresql.auto.conf"; then
      rs_postgres sed -i '/^recovery_target_time /d' "./$rs_beside/postgresql.auto.conf"
      rs_start_server
      rs_wait_recovered || rs_give_up
    else
      rs_give_up
    fi
  fi
  grep -E 'recovery stopping|last completed transaction|archive recovery complete|selected new timeline' "$rs_place/server.log" || :
}

rs_give_up() {
  echo "the copy did not come up; the running cluster was not touched:" >&2
  # What asked too early was told so.
  grep -vE 'starting up|not yet accepting|not accepting connections|Hot standby mode is disabled|has not been yet reached' "$rs_place/server.log" | grep -E 'FATAL|PANIC|ERROR|HINT|DETAIL' | tail -n 12 >&2 ||
    tail -n 12 "$rs_place/server.log" >&2
  if grep -q 'recovery ended before configured recovery target was reached' "$rs_place/server.log"; then
    echo "the target is not in the WAL behind this backup: an earlier one may lead there (hostkit backup list, then --set LABEL)" >&2
  fi
  rs_stop_server
  exit 1
}

rs_count_sql="select count(*) from pg_class \\g /dev/null
select format('select jsonb_build_object(''d'', current_database(), ''t'', %L, ''n'', (select count(*) from only %I.%I))',
  n.nspname || '.' || c.relname, n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where (c.relkind = 'r' or (c.relkind = 'm' and c.relispopulated)) and c.relpersistence = 'p'
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1 \\gexec"

# Every database lets somebody in, and the rows of every table can be counted.
rs_check() {
  rs_enter
  rs_ask -d postgres -c "select datname from pg_database where datallowconn and datname !~ E'[\\n\\r]' order by 1" >"$rs_place/databases"
  : >"$rs_place/counts"
  while IFS= read -r rs_database <&3; do
    printf '%s\n' "$rs_count_sql" | PGDATABASE=$rs_database rs_ask >"$rs_place/counts.new" || rs_fail "the copy's database $rs_database cannot be read"
    cat "$rs_place/counts.new" >>"$rs_place/counts"
  done 3<"$rs_place/databases"
  # What recovery was told is no setting of the cluster's.
  for rs_setting in restore_command recovery_target recovery_target_action recovery_target_inclusive recovery_target_lsn \
    recovery_target_name recovery_target_time recovery_target_timeline recovery_target_xid; do
    rs_ask -d postgres -c "alter system reset $rs_setting"
  done
  rm -f "$rs_place/counts.new"
}

# A clean end: all of it is on the disk.
rs_close() {
  systemctl stop "$rs_server"
  rs_enter
  rs_postgres "$rs_bin/pg_controldata" "./$rs_beside" >"$rs_place/control"
  grep -q '^Database cluster state: *shut down$' "$rs_place/control" || rs_fail "the copy was not shut down cleanly" "$(tail -n 5 "$rs_place/server.log")"
  rm -rf "$rs_run"
  sync -f "./$rs_beside"
}

rs_answers() {
  rs_tries=0
  until rs_ask_live -d postgres -c 'select 1' >/dev/null 2>"$rs_place/answer"; do
    rs_tries=$((rs_tries + 1))
    # Recovery of what was not shut down cleanly takes its time; a unit that has failed will not come.
    if [ "$rs_tries" -ge 1200 ] || systemctl is-failed -q "$rs_unit"; then
      cat "$rs_place/answer" >&2
      hk_read "/var/log/postgresql/postgresql-$rs_major-main.log" | tail -n 12 >&2 || :
      return 1
    fi
    sleep 0.1
  done
}

# The history of a timeline that began while the archive was off is archived too: without it nobody finds the way along it.
rs_mark_histories() {
  rs_postgres sh -c 'cd "$1/pg_wal" || exit 1
for h in *.history; do
  [ -e "$h" ] && [ ! -e "archive_status/$h.done" ] || continue
  : >"archive_status/$h.ready"
done' sh "./$1"
}

# Which timeline is served, and how it got there: where the data is lost one day, this alone tells it from those that were undone.
rs_note_timeline() {
  rs_number=$(rs_postgres "$rs_bin/pg_controldata" "./$rs_name" | sed -n "s/^Latest checkpoint's TimeLineID: *//p")
  [ -n "$rs_number" ] || return 0
  {
    echo "timeline $rs_number"
    rs_postgres sed -n 's/^\([0-9][0-9]*\)[[:space:]][[:space:]]*\([0-9A-F]*\/[0-9A-F]*\).*/history \1 \2/p' \
      "./$rs_name/pg_wal/$(printf %08X "$rs_number").history" 2>/dev/null || :
  } >"$rs_place/timeline.new"
  sync "$rs_place/timeline.new" && mv -f "$rs_place/timeline.new" "$rs_place/timeline"
}

# rs_swap UNIT…: the services that use it stop, the folders are exchanged, the cluster starts. What fails on the way is taken back.
rs_swap() {
  rs_take_lock
  rs_enter
  [ -d "./$rs_beside" ] && [ "$(rs_inode "./$rs_beside")" = "$(rs_known new)" ] || rs_fail "there is no copy beside $rs_data"
  rs_mark_histories "$rs_beside"
  rs_note old "$(rs_inode "./$rs_name")"
  rs_note units "$*"
  rs_note stage swapping
  [ $# -eq 0 ] || systemctl stop -- "$@"
  systemctl stop "$rs_unit"
  if rs_swap_folders; then
    if systemctl start "$rs_unit" && rs_answers; then
      rs_note swapped "$(date +%s)"
      rs_note stage swapped
      rs_note_timeline
      return 0
    fi
    echo "the restored cluster does not start" >&2
  fi
  rs_put_back
  rs_note stage begun
  rs_tell_put_back >&2
  exit 1
}

rs_tell_put_back() {
  if [ -z "$(rs_known old)" ]; then echo "there was no data before, and there is none now"
  elif [ "$(rs_served)" = old ] && rs_answers; then echo "the cluster from before is served again, as it was"
  else echo "the cluster from before does not answer either: journalctl -u $rs_unit, then hostkit provision"; fi
}

# The data from before is served again, and what uses it.
rs_put_back() {
  if [ "$(rs_served)" != old ]; then
    systemctl stop "$rs_unit" || :
    if [ -n "$(rs_known old)" ]; then rs_exchange "$rs_name" "$rs_beside"
    else $rs_as mv -T -- "./$rs_name" "./$rs_beside" && sync .; fi
  fi
  [ -z "$(rs_known old)" ] || { systemctl start "$rs_unit" && rs_answers; } || rs_status=1
  # shellcheck disable=SC2046 # one word a unit
  [ -z "$(rs_known units)" ] || systemctl start -- $(rs_known units) || rs_status=1
}

# rs_start_services: what was stopped for the exchange
rs_start_services() {
  units=$(rs_known units)
  [ -n "$units" ] || return 0
  # shellcheck disable=SC2086 # one word a unit
  systemctl start -- $units && return 0
  # shellcheck disable=SC2086 # one word a unit
  for unit in $units; do systemctl is-active -q "$unit" || journalctl --no-pager -q -n 15 -o cat -u "$unit" >&2; done
  exit 1
}

# rs_login USER ROLE DATABASE: as a service does it
rs_login() {
  id "$1" >/dev/null 2>&1 || return 0
  PGDATABASE=$3 setpriv --reuid="$1" --regid="$(id -g "$1")" --init-groups "$rs_bin/psql" -XAtq -h "$rs_socket_folder" -p "$rs_port" -U "$2" \
    -c 'select 1' >/dev/null || rs_fail "$1 cannot log in to the database $3 as $2"
}

# rs_own ROLE DATABASE: the owner is there and can look into the database
rs_own() {
  PGDATABASE=$2 PGOPTIONS="-c role=$1" rs_ask_live -c 'select count(*) from pg_class' >/dev/null || rs_fail "the database $2 does not answer to its owner $1"
}
