-- Everything the cluster says, and what it means. Run by hostkit as the owner of the database, once, in one
-- transaction; who may read and write which table is said in hostkit.yaml.

-- Partitions live in a schema of their own: reading and writing goes through the two parent tables, and the
-- grants on "all tables" of the public schema stay the same when a month is added.
create schema spots_by_month;

create sequence raw_spot_id;
create sequence dx_spot_id;

-- Identity columns on partitioned tables came with PostgreSQL 17. These functions run as their owner, so that a
-- role that may insert needs no right on the sequences.
create function next_raw_spot_id() returns bigint
  language sql volatile security definer set search_path = public, pg_temp
  as $$ select nextval('raw_spot_id') $$;

create function next_dx_spot_id() returns bigint
  language sql volatile security definer set search_path = public, pg_temp
  as $$ select nextval('dx_spot_id') $$;

-- Every accepted line as it came. (timestamp, node) is unique because the scraper hands out strictly increasing
-- microseconds: replaying a journal after a crash stores nothing twice.
create table raw_spots (
  id         bigint not null default next_raw_spot_id(),
  timestamp  timestamptz not null,            -- when the line arrived
  node       text not null,                   -- which cluster node sent it
  kind       text not null,                   -- spot, wwv, wcy, announcement, broken
  raw_text   text not null,
  primary key (timestamp, node)
) partition by range (timestamp);

-- The same spot from two nodes has the same minute, calls and frequency: stored once.
create table dx_spots (
  id            bigint not null default next_dx_spot_id(),
  raw_spot_id   bigint,
  timestamp     timestamptz not null,         -- when the station was heard, to the minute
  received_at   timestamptz not null,         -- when the line arrived
  dx_call       text collate "C" not null,    -- byte order: one index sorts, and finds by its beginning
  frequency     numeric(13,3) not null,       -- kHz
  spotter_call  text collate "C" not null,
  comment       text,
  mode          text,
  signal_report text,
  grid_square   text,                         -- of the DX station
  spotter_grid  text,
  band          text,
  split         text,
  skimmer       boolean not null default false,
  unique (timestamp, dx_call, spotter_call, frequency)
) partition by range (timestamp);

create index dx_spots_newest on dx_spots (timestamp desc, id desc);
create index dx_spots_id on dx_spots (id);
create index dx_spots_band on dx_spots (band, timestamp desc, id desc);
create index dx_spots_mode on dx_spots (mode, timestamp desc, id desc);
create index dx_spots_dx_call on dx_spots (dx_call, timestamp desc);
create index dx_spots_spotter_call on dx_spots (spotter_call, timestamp desc);
create index dx_spots_frequency on dx_spots (frequency, timestamp desc);

create table callsigns (
  callsign      text collate "C" primary key,
  first_seen    timestamptz not null,
  last_seen     timestamptz not null,
  total_spots   bigint not null default 0,    -- spots this station sent
  total_spotted bigint not null default 0     -- spots of this station
) with (fillfactor = 70);                     -- the same rows are updated again and again

-- What was ever heard on each band, kept by the scraper as it stores: counting millions of spots would take too long.
-- Spots outside every amateur band have the band ''.
create table band_stations (
  band        text not null,
  dx_call     text collate "C" not null,
  spot_count  bigint not null,
  min_freq    numeric(13,3) not null,
  max_freq    numeric(13,3) not null,
  latest_spot timestamptz not null,
  primary key (band, dx_call)
) with (fillfactor = 70);

create table wwv_announcements (
  id                  bigint generated always as identity primary key,
  raw_announcement_id bigint,
  timestamp           timestamptz not null,   -- to the hour
  received_at         timestamptz not null,
  announcement_type   text not null,          -- WWV or WCY
  station_call        text not null,
  raw_text            text not null,
  solar_flux          integer,
  a_index             integer,
  k_index             integer,
  sunspot_number      integer,
  conditions          text,
  parsed_successfully boolean not null,
  unique (timestamp, announcement_type, station_call)
);

create index wwv_announcements_newest on wwv_announcements (timestamp desc);

-- Makes the partitions of this month, the one before and the next two. Harmless at any time, so anybody may.
create function ensure_spot_partitions() returns void
  language plpgsql security definer set search_path = public, pg_temp
as $$
declare
  parent text;
  first_day date;
begin
  foreach parent in array array['raw_spots', 'dx_spots'] loop
    for step in -1..2 loop
      first_day := date_trunc('month', now() at time zone 'UTC')::date + make_interval(months => step);
      -- Asking first: creating takes a lock that stops every reader and writer for a moment.
      continue when to_regclass('spots_by_month.' || parent || to_char(first_day, '_YYYY_MM')) is not null;
      execute format(
        'create table if not exists spots_by_month.%I partition of public.%I for values from (%L) to (%L)',
        parent || to_char(first_day, '_YYYY_MM'), parent,
        to_char(first_day, 'YYYY-MM-DD') || ' 00:00+00',
        to_char(first_day + interval '1 month', 'YYYY-MM-DD') || ' 00:00+00');
    end loop;
  end loop;
end
$$;

-- Drops months older than so many whole months. Only for those who may write spots.
create function drop_old_spots(keep_months integer) returns integer
  language plpgsql security definer set search_path = public, pg_temp
as $$
declare
  dropped integer := 0;
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
      and to_date(right(c.relname, 7), 'YYYY_MM')
          < date_trunc('month', now() at time zone 'UTC') - make_interval(months => keep_months)
  loop
    execute format('drop table spots_by_month.%I', old.relname);
    dropped := dropped + 1;
  end loop;
  return dropped;
end
$$;

select ensure_spot_partitions();

-- A line that is stamped outside every month still has a place.
create table spots_by_month.raw_spots_other partition of raw_spots default;
create table spots_by_month.dx_spots_other partition of dx_spots default;
