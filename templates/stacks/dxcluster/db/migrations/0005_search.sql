-- Parts of comments, grid squares and callsigns are found by the three-letter pieces they are made of (extension pg_trgm,
-- which the manifest names).
create index dx_spots_words on dx_spots using gin (comment gin_trgm_ops, grid_square gin_trgm_ops);
create index callsigns_parts on callsigns using gin (callsign gin_trgm_ops);

-- As before, and: a month whose first rows went to the default partition (the clock was ahead, or nobody had made the
-- month in time) gets them back, instead of never coming to be.
create or replace function ensure_spot_partitions() returns void
  language plpgsql security definer set search_path = public, pg_temp
as $$
declare
  parent text;
  month text;
  first_day date;
  opening text;
  ending text;
begin
  foreach parent in array array['raw_spots', 'dx_spots'] loop
    for step in -1..2 loop
      first_day := date_trunc('month', now() at time zone 'UTC')::date + make_interval(months => step);
      month := parent || to_char(first_day, '_YYYY_MM');
      -- Asking first: attaching takes a lock that stops every reader and writer for a moment.
      continue when to_regclass('spots_by_month.' || month) is not null;
      opening := to_char(first_day, 'YYYY-MM-DD') || ' 00:00+00';
      ending := to_char(first_day + interval '1 month', 'YYYY-MM-DD') || ' 00:00+00';
      execute format('lock table public.%I in share row exclusive mode', parent);
      execute format('create table spots_by_month.%I (like public.%I including defaults including constraints)', month, parent);
      execute format(
        'with moved as (delete from spots_by_month.%I where timestamp >= %L and timestamp < %L returning *)
         insert into spots_by_month.%I select * from moved',
        parent || '_other', opening, ending, month);
      execute format('alter table public.%I attach partition spots_by_month.%I for values from (%L) to (%L)',
        parent, month, opening, ending);
    end loop;
  end loop;
end
$$;

-- As before, and: lines that are stamped before every month that is kept go too.
create or replace function drop_old_spots(keep_months integer) returns integer
  language plpgsql security definer set search_path = public, pg_temp
as $$
declare
  dropped integer := 0;
  oldest timestamptz := (date_trunc('month', now() at time zone 'UTC') - make_interval(months => keep_months)) at time zone 'UTC';
  old record;
begin
  if not has_table_privilege(session_user, 'public.dx_spots', 'insert') then
    raise insufficient_privilege using message = 'only a role that writes spots may drop old ones';
  end if;
  if keep_months < 1 then
    raise invalid_parameter_value using message = 'keep at least one month';
  end if;
  for old in
    select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'spots_by_month' and c.relkind = 'r' and c.relname ~ '_\d{4}_\d{2}$'
      and to_date(right(c.relname, 7), 'YYYY_MM') < oldest at time zone 'UTC'
  loop
    execute format('drop table spots_by_month.%I', old.relname);
    dropped := dropped + 1;
  end loop;
  delete from spots_by_month.raw_spots_other where timestamp < oldest;
  delete from spots_by_month.dx_spots_other where timestamp < oldest;
  return dropped;
end
$$;
