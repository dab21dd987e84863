/** What each endpoint asks PostgreSQL. Pure: parameters in, SQL text and values out. */
import type { Parameters, Values } from "./parameters.ts";

export interface Query {
  readonly text: string;
  readonly values: readonly unknown[];
}

const hours = {
  type: "integer",
  about: "Hours to look back",
  minimum: 1,
  maximum: 168,
  fallback: 24,
} as const;

const orderFields = ["timestamp", "frequency", "dx_call", "spotter_call"] as const;
const orders = orderFields.flatMap((field) => [
  field,
  `${field} ASC`,
  `${field} DESC`,
  `${field} asc`,
  `${field} desc`,
]);

export const spotsParameters = {
  limit: {
    type: "integer",
    about: "Most spots to return",
    minimum: 1,
    maximum: 1000,
    fallback: 100,
  },
  offset: { type: "integer", about: "Spots to skip", minimum: 0, maximum: 1_000_000, fallback: 0 },
  dx_call: { type: "text", about: "Part of the DX station's callsign", longest: 20 },
  spotter_call: { type: "text", about: "Part of the spotter's callsign", longest: 20 },
  frequency_min: { type: "number", about: "Lowest frequency, kHz", minimum: 0 },
  frequency_max: { type: "number", about: "Highest frequency, kHz", minimum: 0 },
  band: { type: "text", about: "Band, such as 20m", longest: 10 },
  mode: { type: "text", about: "Part of the mode, such as CW, SSB, FT8", longest: 10 },
  since: { type: "time", about: "Spots at this time or later" },
  until: { type: "time", about: "Spots at this time or earlier" },
  grid_square: { type: "text", about: "Part of the DX station's grid square", longest: 8 },
  comment_contains: { type: "text", about: "Part of the comment", longest: 100 },
  order_by: {
    type: "choice",
    about: "Field, and ASC or DESC",
    allowed: orders,
    fallback: "timestamp DESC",
  },
  format: { type: "choice", about: "json or csv", allowed: ["json", "csv"], fallback: "json" },
} as const satisfies Parameters;

export const recentParameters = {
  limit: { type: "integer", about: "Most spots to return", minimum: 1, maximum: 500, fallback: 50 },
  hours,
} as const satisfies Parameters;

export const bandsParameters = {
  hours: {
    type: "integer",
    about: "Hours to look back; all spots ever stored without it",
    minimum: 1,
    maximum: 168,
  },
} as const satisfies Parameters;

export const histogramParameters = {
  bins: { type: "integer", about: "Number of bins", minimum: 1, maximum: 200, fallback: 50 },
  band: { type: "text", about: "Only this band", longest: 10 },
  hours,
} as const satisfies Parameters;

export const hourlyParameters = { hours } as const satisfies Parameters;

export const topParameters = {
  limit: {
    type: "integer",
    about: "Callsigns in each list",
    minimum: 1,
    maximum: 100,
    fallback: 20,
  },
  hours,
  category: {
    type: "choice",
    about: "Which lists",
    allowed: ["both", "spotters", "spotted"],
    fallback: "both",
  },
} as const satisfies Parameters;

export const solarParameters = {
  hours: { type: "integer", about: "Hours of history", minimum: 1, maximum: 720, fallback: 72 },
} as const satisfies Parameters;

/** The public fields of a spot, in the order the API has always had. */
export const spotFields =
  "id, timestamp, dx_call, frequency, spotter_call, comment, mode, signal_report, grid_square, band";

/** More than this many hits are not counted: the count would cost more than the page. */
export const countLimit = 10_000;

/** What `dx_call` and `spotter_call` stand for; absent where that is too many to list. */
export interface MatchingCalls {
  readonly dx?: readonly string[];
  readonly spotter?: readonly string[];
}

/** More callsigns than this, and their spots are found soon enough by looking at the newest ones. */
export const mostMatchingCalls = 200;

/** The stations with a part of a callsign: there are far fewer stations than spots, so this is asked first. */
export function matchingCallsQuery(part: string): Query {
  return {
    text: `select callsign from callsigns where callsign like $1 limit ${mostMatchingCalls + 1}`,
    values: [contains(part.toUpperCase())],
  };
}

export function spotsQuery(
  wanted: Values<typeof spotsParameters>,
  calls: MatchingCalls = {},
): { readonly page: Query; readonly count: Query } {
  const values: unknown[] = [];
  const conditions: string[] = [];
  const add = (condition: string, value: unknown): void => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition.replace("?", `$${values.length}`));
  };
  if (calls.dx !== undefined) add("dx_call = any(?)", calls.dx);
  else add("dx_call like ?", contains(wanted.dx_call?.toUpperCase()));
  if (calls.spotter !== undefined) add("spotter_call = any(?)", calls.spotter);
  else add("spotter_call like ?", contains(wanted.spotter_call?.toUpperCase()));
  add("frequency >= ?", wanted.frequency_min);
  add("frequency <= ?", wanted.frequency_max);
  add("band = ?", wanted.band?.toLowerCase());
  add("mode like ?", contains(wanted.mode?.toUpperCase()));
  add("timestamp >= ?", wanted.since);
  add("timestamp <= ?", wanted.until);
  add("grid_square ilike ?", contains(wanted.grid_square));
  add("comment ilike ?", contains(wanted.comment_contains));
  const where = conditions.length === 0 ? "" : `where ${conditions.join(" and ")}`;
  const [field = "timestamp", direction = "ASC"] = wanted.order_by.split(" ");
  const order = `${field} ${direction}, ${field === "timestamp" ? "" : "timestamp desc, "}id ${field === "timestamp" ? direction : "desc"}`;
  return {
    page: {
      text: `select ${spotFields} from dx_spots ${where} order by ${order} limit $${values.length + 1} offset $${values.length + 2}`,
      values: [...values, wanted.limit, wanted.offset],
    },
    count: {
      text: `select count(*)::int as total from (select 1 from dx_spots ${where} limit ${countLimit + 1}) as hits`,
      values,
    },
  };
}

function contains(part: string | undefined): string | undefined {
  return part === undefined ? undefined : `%${part.replace(/[\\%_]/g, "\\$&")}%`;
}

export function recentQuery(wanted: Values<typeof recentParameters>): Query {
  return {
    text: `select ${spotFields} from dx_spots where timestamp >= now() - make_interval(hours => $1)
           order by timestamp desc, id desc limit $2`,
    values: [wanted.hours, wanted.limit],
  };
}

export function newerQuery(id: string, limit: number): Query {
  return {
    text: `select ${spotFields} from dx_spots where id > $1 order by id limit $2`,
    values: [id, limit],
  };
}

export const newestIdQuery: Query = {
  text: "select coalesce(max(id), 0)::text as id from dx_spots",
  values: [],
};

export const statsQuery: Query = {
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
    from dx_spots where timestamp >= date_trunc('day', now() at time zone 'UTC') at time zone 'UTC') as today,
  (select count(*)::int as spots_last_hour, count(distinct spotter_call)::int as active_spotters
    from dx_spots where timestamp >= now() - interval '1 hour') as recent`,
  values: [],
};

export function bandsQuery(wanted: Values<typeof bandsParameters>): Query {
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
           from dx_spots where band is not null and timestamp >= now() - make_interval(hours => $1)
           group by band order by spot_count desc, band`,
    values: [wanted.hours],
  };
}

export function histogramQuery(wanted: Values<typeof histogramParameters>): Query {
  const band = wanted.band === undefined ? "" : "and band = $3";
  return {
    text: `with hits as (select frequency from dx_spots where timestamp >= now() - make_interval(hours => $1) ${band}),
      edges as (select min(frequency) as low, max(frequency) as high, count(*)::int as total from hits),
      bins as (
        select case when high = low then 0 else least(floor((frequency - low) / (high - low) * $2::int), $2::int - 1) end::int as bin_number,
               frequency from hits, edges)
      select (select low from edges)::float8 as low, (select high from edges)::float8 as high,
             (select total from edges) as total, bin_number, count(*)::int as spot_count,
             min(frequency) as bin_min_freq, max(frequency) as bin_max_freq
      from bins group by bin_number order by bin_number`,
    values: [
      wanted.hours,
      wanted.bins,
      ...(wanted.band === undefined ? [] : [wanted.band.toLowerCase()]),
    ],
  };
}

export function hourlyQuery(wanted: Values<typeof hourlyParameters>): Query {
  return {
    text: `select date_trunc('hour', timestamp, 'UTC') as hour, count(*)::int as spot_count,
             count(distinct dx_call)::int as unique_dx_stations, count(distinct spotter_call)::int as unique_spotters
           from dx_spots where timestamp >= now() - make_interval(hours => $1) group by hour order by hour`,
    values: [wanted.hours],
  };
}

export function topSpottersQuery(wanted: Values<typeof topParameters>): Query {
  return {
    text: `select spotter_call as callsign, count(*)::int as spot_count, count(distinct dx_call)::int as stations_spotted,
             max(timestamp) as last_activity
           from dx_spots where timestamp >= now() - make_interval(hours => $1)
           group by spotter_call order by spot_count desc, callsign limit $2`,
    values: [wanted.hours, wanted.limit],
  };
}

export function topSpottedQuery(wanted: Values<typeof topParameters>): Query {
  return {
    text: `select dx_call as callsign, count(*)::int as times_spotted, count(distinct spotter_call)::int as spotted_by,
             max(timestamp) as last_spotted
           from dx_spots where timestamp >= now() - make_interval(hours => $1)
           group by dx_call order by times_spotted desc, callsign limit $2`,
    values: [wanted.hours, wanted.limit],
  };
}

export function solarQuery(wanted: Values<typeof solarParameters>): Query {
  return {
    text: `select id::int as id, timestamp, announcement_type, station_call, solar_flux, a_index, k_index, sunspot_number, conditions
           from wwv_announcements where parsed_successfully and timestamp >= now() - make_interval(hours => $1)
           order by timestamp desc, id desc limit 500`,
    values: [wanted.hours],
  };
}
