/** What the endpoints that count and sum ask PostgreSQL. Pure. Times come from the caller: the planner then skips the months before. */
import type { Values } from "./parameters.ts";
import type { Query } from "./queries.ts";
import type {
  bandsParameters,
  histogramParameters,
  solarParameters,
  topParameters,
} from "./requests.ts";

export function statsQuery(now: Date): Query {
  const day = new Date(Math.floor(now.getTime() / 86_400_000) * 86_400_000);
  return {
    values: [day, hoursBefore(now, 1)],
    text: `select
    (select coalesce(sum(spot_count), 0)::int from band_stations) as total_spots,
    (select count(*)::int from callsigns where total_spotted > 0) as unique_dx_stations,
    (select count(*)::int from callsigns where total_spots > 0) as unique_spotters,
    (select min(timestamp) from dx_spots) as earliest_spot,
    (select max(timestamp) from dx_spots) as latest_spot,
    today.*, recent.*
  from (
    select count(*)::int as spots_today, count(distinct dx_call)::int as dx_stations_today,
           count(distinct spotter_call)::int as spotters_today
    from dx_spots where timestamp >= $1) as today,
  (select count(*)::int as spots_last_hour, count(distinct spotter_call)::int as active_spotters
    from dx_spots where timestamp >= $2) as recent`,
  };
}

export function bandsQuery(wanted: Values<typeof bandsParameters>, now: Date): Query {
  if (wanted.hours === undefined) {
    return {
      text: `select band, sum(spot_count)::int as spot_count, count(*)::int as dx_stations,
               min(min_freq) as min_freq, max(max_freq) as max_freq, max(latest_spot) as latest_spot
             from band_stations where band <> '' group by band order by spot_count desc, band`,
      values: [],
    };
  }
  return {
    text: `select band, count(*)::int as spot_count, count(distinct dx_call)::int as dx_stations,
             min(frequency) as min_freq, max(frequency) as max_freq, max(timestamp) as latest_spot
           from dx_spots where band is not null and timestamp >= $1
           group by band order by spot_count desc, band`,
    values: [hoursBefore(now, wanted.hours)],
  };
}

export function histogramQuery(wanted: Values<typeof histogramParameters>, now: Date): Query {
  const band = wanted.band === undefined ? "" : "and band = $3";
  return {
    text: `with hits as (select frequency from dx_spots where timestamp >= $1 ${band}),
      edges as (select min(frequency) as low, max(frequency) as high, count(*)::int as total from hits),
      bins as (
        select case when high = low then 0 else least(floor((frequency - low) / (high - low) * $2::int), $2::int - 1) end::int as bin_number,
               frequency from hits, edges)
      select (select low from edges)::float8 as low, (select high from edges)::float8 as high,
             (select total from edges) as total, bin_number, count(*)::int as spot_count,
             min(frequency) as bin_min_freq, max(frequency) as bin_max_freq
      from bins group by bin_number order by bin_number`,
    values: [
      hoursBefore(now, wanted.hours),
      wanted.bins,
      ...(wanted.band === undefined ? [] : [wanted.band.toLowerCase()]),
    ],
  };
}

export function hourlyQuery(hours: number, now: Date): Query {
  return {
    text: `select date_trunc('hour', timestamp, 'UTC') as hour, count(*)::int as spot_count,
             count(distinct dx_call)::int as unique_dx_stations, count(distinct spotter_call)::int as unique_spotters
           from dx_spots where timestamp >= $1 group by hour order by hour`,
    values: [hoursBefore(now, hours)],
  };
}

export function topSpottersQuery(wanted: Values<typeof topParameters>, now: Date): Query {
  return {
    text: `select spotter_call as callsign, count(*)::int as spot_count, count(distinct dx_call)::int as stations_spotted,
             max(timestamp) as last_activity
           from dx_spots where timestamp >= $1
           group by spotter_call order by spot_count desc, callsign limit $2`,
    values: [hoursBefore(now, wanted.hours), wanted.limit],
  };
}

export function topSpottedQuery(wanted: Values<typeof topParameters>, now: Date): Query {
  return {
    text: `select dx_call as callsign, count(*)::int as times_spotted, count(distinct spotter_call)::int as spotted_by,
             max(timestamp) as last_spotted
           from dx_spots where timestamp >= $1
           group by dx_call order by times_spotted desc, callsign limit $2`,
    values: [hoursBefore(now, wanted.hours), wanted.limit],
  };
}

export function solarQuery(wanted: Values<typeof solarParameters>, now: Date): Query {
  return {
    text: `select id::int as id, timestamp, announcement_type, station_call, solar_flux, a_index, k_index, sunspot_number, conditions
           from wwv_announcements where parsed_successfully and timestamp >= $1
           order by timestamp desc, id desc limit 500`,
    values: [hoursBefore(now, wanted.hours)],
  };
}

/** How many spots, and how many of them by voice, tell whether a band is open. */
export function conditionsQuery(minutes: number, now: Date): Query {
  return {
    text: `select band, count(*)::int as spot_count,
             count(*) filter (where mode in ('SSB', 'FM', 'AM'))::int as voice_count,
             count(*) filter (where mode = 'CW')::int as cw_count, max(timestamp) as latest_spot
           from dx_spots where band is not null and timestamp >= $1
           group by band order by min(frequency)`,
    values: [hoursBefore(now, minutes / 60)],
  };
}

export function bandActivityQuery(hours: number, now: Date): Query {
  return {
    text: `select date_trunc('hour', timestamp, 'UTC') as hour, band, count(*)::int as spot_count
           from dx_spots where band is not null and timestamp >= $1
           group by hour, band order by hour, band`,
    values: [hoursBefore(now, hours)],
  };
}

function hoursBefore(now: Date, hours: number): Date {
  return new Date(now.getTime() - hours * 3_600_000);
}
