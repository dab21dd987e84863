-- As before, and: only for those who may write spots, as dropping months has been. Making one locks the table for a moment,
-- which is no business of whoever only reads.
create or replace function ensure_spot_partitions() returns void
  language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s'
as $$
declare
  parent text;
  month text;
  first_day date;
  opening text;
  ending text;
begin
  if not has_table_privilege(session_user, 'public.dx_spots', 'insert') then
    raise insufficient_privilege using message = 'only a role that writes spots may make months for them';
  end if;
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
