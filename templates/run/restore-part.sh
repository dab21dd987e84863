# One database, or tables of one, brought out of a copy beside the cluster: the steps of `hostkit restore postgres --database` and
# `--table`, behind restore.sh, whose state file and functions they use.
#
# The copy is made as for a whole restore, looked at, and thrown away in the end: pg_dump brings over what is wanted of it. A database
# comes into a new one with a name of hostkit's, is compared there, and takes its place by two renames in one transaction: after a power
# cut either both have happened or none. Tables come in one transaction. What else is in the cluster goes on meanwhile. In the state:
#
#   kind       database: takes the place of one; new: under a name that is free; tables
#   database   the one that is brought back
#   temporary  what the new one is called while it is not served
#   before     what the one from before is called while it stands aside
#   old, new   their numbers (oid); `new` is that of the copy's folder as long as stage is "begun"

# rs_part NAME [WORD…]: a step's work; where it fails, what was made for it goes at once
rs_part() {
  trap '[ $? -eq 0 ] || rs_abandon_part' EXIT
  "$@"
  trap - EXIT
}

rs_abandon_part() {
  rs_enter
  rs_stop_server
  [ "$(rs_inode "./$rs_beside")" != "$(rs_known new)" ] || rs_remove_beside
  if rs_drop_temporary; then echo "nothing was changed, and what was made for the restore is gone again" >&2
  else echo "nothing was changed; the database $(rs_known temporary) is left, and hostkit restore undo takes it away" >&2; fi
}

# --- what both do ---

# rs_begin_part ID TARGET LINE…
rs_begin_part() {
  rs_clear_the_way
  rs_ask_live -d postgres -c 'select 1' >/dev/null || rs_fail "PostgreSQL does not answer; hostkit restore postgres brings back all of it"
  rs_write_begin "$@"
}

# rs_fetch_part DATABASE REPOSITORY LABEL OPTION…: of other databases only holes are brought back. A database that was called otherwise when
# the backup was made is not found by its name, those that restores renamed are.
rs_fetch_part() {
  rs_database=$1
  # A name that JSON would write otherwise is not looked for, and all of the cluster is brought back.
  rs_names=$(rs_postgres pgbackrest --stanza="$rs_stack" --repo="$2" --set="$3" --output=json --log-level-console=off --log-level-file=off info |
    sed 's/{"name":/\n&/g' | sed -n 's/^{"name":"\([^"\\]*\)","oid":[0-9]*}.*/\1/p')
  shift 3
  if printf '%s\n' "$rs_names" | grep -qxF -e "$rs_database"; then
    set -- --db-include="$rs_database" "$@"
    while IFS= read -r rs_line; do
      case $rs_line in *_before_restore* | hostkit_restore_*) set -- --db-include="$rs_line" "$@" ;; esac
    done <<END
$rs_names
END
  fi
  rs_fetch "$@"
}

# rs_look_part DATABASE OPTION…: the copy's database lets somebody in. One that was renamed since the backup has only holes: all of it, then.
rs_look_part() {
  rs_enter
  rs_database=$1
  shift
  [ "$(rs_oid rs_ask "$rs_database")" != "" ] || {
    rs_databases=$(rs_ask -d postgres -c "select string_agg(datname, ', ' order by datname) from pg_database where datname !~ '^template|^postgres\$'")
    rs_fail "there is no database $rs_database as of $(rs_known target)" "there were: $rs_databases"
  }
  if ! PGDATABASE=$rs_database rs_ask -c 'select count(*) from pg_class' >/dev/null 2>&1; then
    echo "the backup has the database under another name; the whole cluster is brought back"
    rs_stop_server
    rs_remove_beside
    rs_fetch "$@"
    rs_recover
    PGDATABASE=$rs_database rs_ask -c 'select count(*) from pg_class' >/dev/null || rs_fail "the copy's database $rs_database cannot be read"
  fi
}

# rs_oid rs_ask|rs_ask_live DATABASE: its number; nothing where there is none
rs_oid() { echo "select oid from pg_database where datname = :'name'" | "$1" -d postgres -v name="$2"; }

# The server on the copy ends, and the copy goes.
rs_drop_copy() {
  rs_enter
  rs_stop_server
  rs_remove_beside
}

rs_quiet() {
  if [ "$rs_major" -lt 17 ]; then echo "-c synchronous_commit=on"; else echo "-c synchronous_commit=on -c event_triggers=off"; fi
}

# --- a database ---

# rs_count rs_ask|rs_ask_live DATABASE: rows of each table; those of extensions are the extension's business
rs_count() {
  echo "select format('select jsonb_build_object(''d'', %L, ''t'', %L, ''n'', (select count(*) from only %I.%I))',
  :'shown'::text, n.nspname || '.' || c.relname, n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by n.nspname, c.relname \\gexec" | PGDATABASE=$2 PGOPTIONS=$(rs_quiet) "$1" -v shown="$(rs_known database)"
}

# Everybody that something in the copy's database belongs to, or who was given something in it, is there.
rs_roles_there() {
  PGDATABASE=$1 rs_ask >"$rs_place/roles" <<'END'
select r.rolname from pg_roles r, pg_database d where d.datname = current_database() and r.rolname !~ '^pg_' and r.rolname <> 'postgres'
  and (exists (select from pg_db_role_setting where setdatabase = d.oid and setrole = r.oid)
    or exists (select from pg_shdepend s where s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid
      and (s.dbid = d.oid or (s.classid = 'pg_database'::regclass and s.objid = d.oid)))) order by 1
END
  rs_ask_live -d postgres -c 'select rolname from pg_roles' >"$rs_place/roles.live"
  rs_lost=$(grep -vxF -f "$rs_place/roles.live" "$rs_place/roles" | tr '\n' ' ')
  rm -f "$rs_place/roles" "$rs_place/roles.live"
  [ -z "$rs_lost" ] || rs_fail "roles that things in it belonged to are not there any more: $rs_lost" \
    "make them again (as postgres: create role NAME), then restore again"
}

# What the database is called in the copy it is called here: pg_dump --create writes its owner, grants and settings under that name.
rs_bring_database() {
  rs_database=$(rs_known database) rs_new=$(rs_known temporary)
  [ -z "$(rs_oid rs_ask_live "$rs_new")" ] || rs_fail "there is a database $rs_new already"
  rs_roles_there "$rs_database"
  # shellcheck disable=SC2016 # psql's own variables
  echo 'alter database :"a" rename to :"b"' | rs_ask -d postgres -v a="$rs_database" -v b="$rs_new"
  rs_count rs_ask "$rs_new" >"$rs_place/counts.copy"
  : >"$rs_place/dump.failed"
  { rs_postgres "$rs_bin/pg_dump" -Fc -Z0 --create -h "$rs_run" -p 5432 -d "$rs_new" && rm -f "$rs_place/dump.failed"; } |
    rs_postgres "$rs_bin/pg_restore" --create --exit-on-error -h "$rs_socket_folder" -p "$rs_port" -d postgres
  [ ! -e "$rs_place/dump.failed" ] || rs_fail "pg_dump did not come to its end"
  rs_count rs_ask_live "$rs_new" >"$rs_place/counts"
  if ! cmp -s "$rs_place/counts.copy" "$rs_place/counts"; then
    diff "$rs_place/counts.copy" "$rs_place/counts" | head -n 10 >&2
    rs_fail "the rows that came over are not those of the copy"
  fi
  rm -f "$rs_place/counts.copy"
  # Without statistics the first queries would be planned blindly.
  PGDATABASE=$rs_new PGOPTIONS=$(rs_quiet) rs_ask_live -c analyze
}

# rs_rename FROM TO [FROM TO]: in one transaction, with those who are connected sent away
rs_rename() {
  rs_tries=0
  # shellcheck disable=SC2016 # psql's own variables
  until {
    echo "begin; select count(pg_terminate_backend(pid)) from pg_stat_activity where datname in (:'a', :'c') and pid <> pg_backend_pid() \\g /dev/null"
    echo 'alter database :"a" rename to :"b";'
    [ -z "${3:-}" ] || echo 'alter database :"c" rename to :"d";'
    echo 'commit;'
  } | PGOPTIONS='-c synchronous_commit=on' rs_ask_live -d postgres -v a="$1" -v b="$2" -v c="${3:-}" -v d="${4:-}" 2>"$rs_place/answer"; do
    rs_tries=$((rs_tries + 1))
    if [ "$rs_tries" -ge 5 ]; then
      cat "$rs_place/answer" >&2
      return 1
    fi
    # It may be on its way up again.
    sleep 1
  done
}

# Which of the two has the name: old, new or unknown.
rs_served_database() {
  rs_at=$(rs_oid rs_ask_live "$(rs_known database)" 2>/dev/null) || :
  if [ -z "$rs_at" ]; then echo unknown
  elif [ "$rs_at" = "$(rs_known new)" ]; then echo new
  elif [ -z "$(rs_known old)" ] || [ "$rs_at" = "$(rs_known old)" ]; then echo old
  else echo unknown; fi
}

# What is called as hostkit calls a database that is not served: it was made for a restore that did not come to its end, or was undone.
rs_drop_temporary() {
  rs_new=$(rs_known temporary)
  [ -n "$rs_new" ] || return 0
  # shellcheck disable=SC2016 # psql's own variables
  echo 'drop database if exists :"name" with (force)' | rs_ask_live -d postgres -v name="$rs_new" 2>/dev/null
}

# rs_swap_database UNIT…: the services that use it stop, the names are exchanged. What fails on the way is taken back.
rs_swap_database() {
  rs_database=$(rs_known database) rs_new=$(rs_known temporary) rs_before=$(rs_known before)
  rs_old_oid=$(rs_oid rs_ask_live "$rs_database") rs_new_oid=$(rs_oid rs_ask_live "$rs_new")
  { [ -n "$rs_old_oid" ] && [ -n "$rs_new_oid" ]; } || rs_fail "the databases are not there any more"
  [ -z "$(rs_oid rs_ask_live "$rs_before")" ] || rs_fail "there is a database $rs_before already"
  rs_note old "$rs_old_oid"
  rs_note new "$rs_new_oid"
  rs_note units "$*"
  rs_note stage swapping
  [ $# -eq 0 ] || systemctl stop -- "$@"
  if rs_rename "$rs_database" "$rs_before" "$rs_new" "$rs_database" || [ "$(rs_served_database)" = new ]; then
    rs_note swapped "$(date +%s)"
    rs_note stage swapped
    return 0
  fi
  if [ "$(rs_served_database)" = unknown ]; then
    # Whether the names were exchanged is seen when it answers again: what is written down stays.
    trap - EXIT
    rs_fail "PostgreSQL does not answer any more; when it does: hostkit restore undo, or hostkit restore confirm"
  fi
  [ $# -eq 0 ] || systemctl start -- "$@"
  rs_note stage begun
  exit 1
}

# rs_name_database NAME: there is nothing whose place it takes
rs_name_database() {
  rs_rename "$(rs_known temporary)" "$1" || exit 1
  rs_write_end
}

rs_undo_database() {
  rs_answers || rs_fail "PostgreSQL does not answer; nothing was changed"
  case $(rs_served_database) in
    unknown) rs_fail "the database $(rs_known database) is neither what the restore made nor what was there before; nothing was changed" ;;
    new)
      [ "$(rs_oid rs_ask_live "$(rs_known before)")" = "$(rs_known old)" ] ||
        rs_fail "the database from before, $(rs_known before), is not there any more; nothing was changed"
      rs_note stage swapping
      # shellcheck disable=SC2046 # one word a unit
      [ -z "$(rs_known units)" ] || systemctl stop -- $(rs_known units)
      rs_rename "$(rs_known database)" "$(rs_known temporary)" "$(rs_known before)" "$(rs_known database)" || rs_status=1
      ;;
  esac
  # shellcheck disable=SC2046 # one word a unit
  [ -z "$(rs_known units)" ] || systemctl start -- $(rs_known units) || rs_status=1
  [ "$(rs_served_database)" = old ] || rs_fail "the names could not be exchanged; what was restored is served"
  rs_note stage undone
  [ "$rs_status" -eq 0 ] || rs_fail "the database from before is served again, and not all came up with it"
}

# What is served stays, the other one goes: by its name and its number.
rs_confirm_database() {
  rs_answers || rs_fail "PostgreSQL does not answer; nothing was removed"
  case $(rs_served_database) in
    new) rs_aside=$(rs_known before) rs_number=$(rs_known old) ;;
    old) rs_aside=$(rs_known temporary) rs_number=$(rs_known new) ;;
    *) rs_fail "the database $(rs_known database) is neither what the restore made nor what was there before; nothing was removed" ;;
  esac
  rs_at=$(rs_oid rs_ask_live "$rs_aside")
  if [ -n "$rs_at" ]; then
    [ "$rs_at" = "$rs_number" ] || rs_fail "the database $rs_aside is not what the restore left there; it stays"
    rs_note stage confirming
    # shellcheck disable=SC2016 # psql's own variables
    echo 'drop database :"name" with (force)' | rs_ask_live -d postgres -v name="$rs_aside" || rs_fail "the database $rs_aside cannot be removed"
  fi
  rs_write_end
}

# --- tables ---

# rs_choose_tables DATABASE TABLES SCHEMA NAME: in the copy. TABLES: [["public","spots"]]; SCHEMA and NAME: what they become, or nothing.
# Foreign keys are taken off them and kept as text: whether they still hold is seen where the tables come to.
rs_choose_tables() {
  PGDATABASE=$1 rs_ask -v tables="$2" -v schema="$3" -v name="$4" <<'END' || exit 1
set search_path = pg_catalog;
create schema hostkit_restore;
create table hostkit_restore.wanted as select t->>0 as schema, t->>1 as name, c.oid, c.relkind, 0::bigint as rows, '' as shown
  from jsonb_array_elements(:'tables'::jsonb) t left join pg_namespace n on n.nspname = t->>0
  left join pg_class c on c.relnamespace = n.oid and c.relname = t->>1 and c.relkind in ('r', 'p', 'v', 'm');
create table hostkit_restore.keys (owner text, key text, definition text, is_own boolean);
create table hostkit_restore.place as select :'schema' as schema, :'name' as name;
do $$
declare w record; k record; part text; place text;
begin
  select schema, name into place, part from hostkit_restore.place;
  select string_agg(schema || '.' || name, ', ') as list into w from hostkit_restore.wanted where oid is null;
  if w.list is not null then raise exception 'at that moment there was no table %', w.list; end if;
  insert into hostkit_restore.wanted select n.nspname, c.relname, c.oid, c.relkind, 0, ''
    from hostkit_restore.wanted parent, pg_partition_tree(parent.oid) p, pg_class c, pg_namespace n
    where parent.relkind = 'p' and c.oid = p.relid and c.oid <> parent.oid and n.oid = c.relnamespace
      and c.oid not in (select oid from hostkit_restore.wanted);
  if part <> '' and exists (select from hostkit_restore.wanted where relkind = 'p') then
    raise exception 'it has partitions, which keep their names: give --as a schema alone'; end if;
  for w in select * from hostkit_restore.wanted where relkind = 'r' loop
    execute format('select count(*) from only %s', w.oid::regclass) into k;
    update hostkit_restore.wanted set rows = k.count where oid = w.oid;
  end loop;
  for k in select c.*, c.conrelid in (select oid from hostkit_restore.wanted) as is_own from pg_constraint c
    where contype = 'f' and conparentid = 0
      and (conrelid in (select oid from hostkit_restore.wanted) or confrelid in (select oid from hostkit_restore.wanted)) loop
    insert into hostkit_restore.keys select format('%I.%I', n.nspname, c.relname), k.conname, pg_get_constraintdef(k.oid), k.is_own
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = k.conrelid;
    execute format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname);
  end loop;
  if place <> '' then
    execute format('create schema if not exists %I', place);
    for k in select n.nspname, s.stxname from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace
      where s.stxrelid in (select oid from hostkit_restore.wanted) loop
      execute format('drop statistics %I.%I', k.nspname, k.stxname);
    end loop;
    for w in select * from hostkit_restore.wanted loop
      if w.schema <> place then execute format('alter table %s set schema %I', w.oid::regclass, place); end if;
      continue when part = '';
      for k in select c.oid, c.relname from pg_class c where c.relkind in ('i', 'S') and c.oid in (
          select indexrelid from pg_index where indrelid = w.oid
          union select objid from pg_depend where classid = 'pg_class'::regclass and refobjid = w.oid and deptype in ('a', 'i')) loop
        execute format('alter table %s rename to %I', k.oid::regclass,
          case when starts_with(k.relname, w.name || '_') then part || substr(k.relname, length(w.name) + 1) else part || '_' || k.relname end);
      end loop;
      execute format('alter table %s rename to %I', w.oid::regclass, part);
    end loop;
  end if;
  update hostkit_restore.wanted found set shown = n.nspname || '.' || c.relname, schema = n.nspname, name = c.relname
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = found.oid;
end $$;
END
}

# rs_count_tables DATABASE: what rs_choose_tables has counted
rs_count_tables() {
  PGDATABASE=$1 rs_ask >"$rs_place/counts" <<'END'
select jsonb_build_object('d', current_database(), 't', shown, 'n', rows) from hostkit_restore.wanted where relkind = 'r' order by shown
END
}

# What stands around the dump in the one transaction: the schema it goes to; then rows counted again, keys that hold, words for the rest.
rs_before_tables_sql="select format('create schema if not exists %I authorization %I;', n.nspname, pg_get_userbyid(case
    when (select schema from hostkit_restore.place) = '' then n.nspowner else (select datdba from pg_database where datname = current_database()) end))
  from pg_namespace n where n.nspname in (select schema from hostkit_restore.wanted);
select 'create temporary table hostkit_notes (note text);'"
rs_behind_tables_sql="select format('do %L;', format('begin if (select count(*) from only %I.%I) <> %s then
    raise exception %L; end if; end', schema, name, rows, shown || ' has not the rows that it had')) from hostkit_restore.wanted where relkind = 'r';
select format('do %L;', format('declare said text; begin set local lock_timeout = %L; execute %L; exception when others then
    get stacked diagnostics said = pg_exception_detail;
    insert into pg_temp.hostkit_notes values (concat(%L, sqlerrm, %L || nullif(said, %L), %L)); end', '30s', made,
    'not brought back: the foreign key ' || key || ' of ' || owner || ': ', ': ', '', '; to have it again: ' || made))
  from (select *, format('alter table %s add constraint %I %s', owner, key, definition) as made from hostkit_restore.keys) k
  where is_own and (select schema from hostkit_restore.place) = '' order by owner, key;
select format('insert into pg_temp.hostkit_notes select %L where to_regclass(%L) is not null and not exists (select from pg_constraint
    where conname = %L and conrelid = to_regclass(%L));', 'not there any more: the foreign key ' || key || ' of ' || owner ||
    '; to have it again: alter table ' || owner || ' add constraint ' || quote_ident(key) || ' ' || definition, owner, key, owner)
  from hostkit_restore.keys where not is_own and (select schema from hostkit_restore.place) = '' order by owner, key;
select distinct format('insert into pg_temp.hostkit_notes select %L where to_regclass(%L) is null;', 'not there any more: the view ' || view ||
    '; it can be brought back too: --table ' || view, view)
  from (select format('%I.%I', n.nspname, v.relname) as view from pg_depend d join pg_rewrite r on r.oid = d.objid
    join pg_class v on v.oid = r.ev_class join pg_namespace n on n.oid = v.relnamespace
    where d.classid = 'pg_rewrite'::regclass and d.refobjid in (select oid from hostkit_restore.wanted)
      and v.oid not in (select oid from hostkit_restore.wanted)) views where (select schema from hostkit_restore.place) = '';
select 'select ''hostkit-note '' || translate(note, E''\\n\\r'', ''  '') from pg_temp.hostkit_notes;'"

# rs_bring_tables DATABASE: all of it in one transaction
rs_bring_tables() {
  rs_database=$1
  set --
  PGDATABASE=$rs_database rs_ask -c "select format('\"%s\".\"%s\"', replace(schema, '\"', '\"\"'), replace(name, '\"', '\"\"')) from hostkit_restore.wanted" \
    >"$rs_place/tables"
  while IFS= read -r rs_line; do set -- "$@" -t "$rs_line"; done <"$rs_place/tables"
  rm -f "$rs_place/tables"
  {
    echo 'begin; set local client_min_messages = warning;'
    printf '%s\n' "$rs_before_tables_sql" | PGDATABASE=$rs_database rs_ask &&
      PGDATABASE=$rs_database rs_postgres "$rs_bin/pg_dump" -h "$rs_run" -p 5432 "$@" &&
      printf '%s\n' "$rs_behind_tables_sql" | PGDATABASE=$rs_database rs_ask &&
      echo 'commit;' && echo "select 'hostkit-done';"
  } | PGDATABASE=$rs_database PGOPTIONS=$(rs_quiet) rs_ask_live >"$rs_place/said" || exit 1
  grep -qx hostkit-done "$rs_place/said" || rs_fail "pg_dump did not come to its end"
  sed -n 's/^hostkit-note //p' "$rs_place/said" >"$rs_place/notes"
  rm -f "$rs_place/said"
  cat "$rs_place/notes"
  while [ $# -gt 1 ]; do
    echo "analyze $2;"
    shift 2
  done | PGDATABASE=$rs_database PGOPTIONS=$(rs_quiet) rs_ask_live
}

# Nothing waits for a word.
rs_end_part() {
  rs_drop_copy
  rs_write_end
}
