-- Spots as a busy cluster would have stored them in 24 months. psql variable: spots (how many in all).
\set ON_ERROR_STOP on
set synchronous_commit = off;
set maintenance_work_mem = '1GB';
select setseed(0.42);

do $$
declare
  first_day date;
begin
  for step in -24..2 loop
    first_day := date_trunc('month', now() at time zone 'UTC')::date + make_interval(months => step);
    continue when to_regclass('spots_by_month.dx_spots' || to_char(first_day, '_YYYY_MM')) is not null;
    execute format('create table spots_by_month.%I partition of dx_spots for values from (%L) to (%L)',
      'dx_spots' || to_char(first_day, '_YYYY_MM'),
      first_day || ' 00:00+00', (first_day + interval '1 month')::date || ' 00:00+00');
  end loop;
end
$$;

-- Indexes are made after the rows: that is much faster.
create table bench_indexes as
  select indexdef from pg_indexes where schemaname = 'public' and tablename = 'dx_spots' and indexname <> 'dx_spots_timestamp_dx_call_spotter_call_frequency_key';
select format('drop index %I', indexname) from pg_indexes
  where schemaname = 'public' and tablename = 'dx_spots' and indexname <> 'dx_spots_timestamp_dx_call_spotter_call_frequency_key' \gexec
alter table dx_spots drop constraint dx_spots_timestamp_dx_call_spotter_call_frequency_key;
alter table dx_spots disable trigger user;

create unlogged table bench_calls as
select i, (array['DL','JA','W','K','N','VE','F','G','IK','EA','SP','UA','R','OH','SM','PY','LU','VK','ZL','YB','HS','BG','VU','ZS',
                 'S5','OK','OM','HA','YO','LZ','SV','TA','EI','GM','ON','PA','OZ','LA','CT','HB','OE','YU','UR','EU','LY','YL','ES',
                 'JT','KH','KL','VP','FO','TF','OX','9A','4X'])[1 + i % 56]
          || (i / 56) % 10 || chr(65 + (i / 560) % 26) || chr(65 + (i / 14560) % 26) || chr(65 + (i * 7) % 26) as call
from generate_series(0, 79999) i;
create unique index on bench_calls (i) include (call);
analyze bench_calls;

create unlogged table bench_bands (n int, band text, low numeric, high numeric);
insert into bench_bands values (0,'20m',14000,14350),(1,'40m',7000,7200),(2,'15m',21000,21450),(3,'10m',28000,29000),(4,'20m',14000,14100),
  (5,'30m',10100,10150),(6,'17m',18068,18168),(7,'80m',3500,3800),(8,'12m',24890,24990),(9,'6m',50000,50400),(10,'160m',1800,1900),(11,'40m',7000,7100);

insert into dx_spots (timestamp, received_at, dx_call, frequency, spotter_call, comment, mode, signal_report, grid_square, band, skimmer)
select date_trunc('minute', at), at, dx.call, round((b.low + r.f * (b.high - b.low))::numeric, 1), sp.call || case when r.m < 0.4 then '-#' else '' end,
       case when r.c < 0.55 then mode || ' ' || (r.f * 40)::int || ' dB ' || 15 + (r.c * 30)::int || ' WPM CQ'
            when r.c < 0.7 then 'tnx QSO 73' when r.c < 0.8 then 'up ' || 1 + (r.f * 9)::int when r.c < 0.9 then 'CQ CQ'
            when r.c < 0.98 then 'POTA US-' || 1000 + (r.f * 8999)::int
            when r.c < 0.9999 then 'IOTA EU-' || (r.f * 190)::int else 'via long path' end,
       mode, case when r.m < 0.5 then (r.f * 40)::int || 'dB' end,
       case when r.c between 0.4 and 0.55 then chr(65 + (r.m * 17)::int) || chr(65 + (r.f * 17)::int) || ((r.c * 1000)::int % 10) || ((r.f * 1000)::int % 10) end,
       b.band, r.m < 0.4
from (select i, now() - interval '730 days' + i * (interval '730 days' / :spots) as at, random() as f, random() as m, random() as c,
             (80000 * power(random(), 3))::int as dx, 79999 - (6000 * power(random(), 2))::int as sp, (12 * power(random(), 1.6))::int % 12 as n
      from generate_series(1, :spots) i) r
join bench_calls dx on dx.i = least(r.dx, 79999)
join bench_calls sp on sp.i = r.sp
join bench_bands b on b.n = r.n
cross join lateral (select case when r.m < 0.4 then 'CW' when r.m < 0.6 then 'FT8' when r.m < 0.7 then 'FT4' when r.m < 0.98 then 'SSB'
                                when r.m < 0.9995 then 'RTTY' else 'SSTV' end as mode) as modes;

alter table dx_spots enable trigger user;
alter table dx_spots add unique (timestamp, dx_call, spotter_call, frequency);
select replace(indexdef, ' ON ONLY ', ' ON ') from bench_indexes \gexec

insert into callsigns (callsign, first_seen, last_seen, total_spots, total_spotted)
select call, min(first), max(last), sum(sent), sum(spotted) from (
  select spotter_call as call, min(timestamp) as first, max(timestamp) as last, count(*) as sent, 0 as spotted from dx_spots group by 1
  union all select dx_call, min(timestamp), max(timestamp), 0, count(*) from dx_spots group by 1) as ends group by call;
insert into band_stations select coalesce(band, ''), dx_call, count(*), min(frequency), max(frequency), max(timestamp) from dx_spots group by 1, 2;
insert into grid_squares select grid_square, count(*) from dx_spots where grid_square is not null group by 1;
drop table bench_bands, bench_indexes, bench_calls;
vacuum (analyze) dx_spots;
vacuum (analyze) callsigns, band_stations, grid_squares;
