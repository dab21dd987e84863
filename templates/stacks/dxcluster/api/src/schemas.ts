/** What the answers look like: JSON Schema (2020-12) for the description of the API; the lab test holds the answers against it. Pure data. */
export type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: "string" };
const integer: Schema = { type: "integer" };
const number: Schema = { type: "number" };
const time: Schema = { type: "string", format: "date-time" };
const kilohertz: Schema = {
  type: "string",
  pattern: "^\\d+\\.\\d{3}$",
  description: "kHz, three decimals",
};

function orNull({ type, ...rest }: Schema): Schema {
  return { ...rest, type: [type, "null"] };
}

/** An object that has exactly these fields; `?` at the end of a name: not always there. */
function object(fields: Readonly<Record<string, Schema>>, description?: string): Schema {
  const names = Object.keys(fields);
  return {
    type: "object",
    ...(description === undefined ? {} : { description }),
    required: names.filter((name) => !name.endsWith("?")),
    properties: Object.fromEntries(
      names.map((name) => [name.replace(/\?$/, ""), fields[name] ?? {}]),
    ),
    additionalProperties: false,
  };
}

function list(items: Schema): Schema {
  return { type: "array", items };
}

function answer(fields: Readonly<Record<string, Schema>>): Schema {
  return object({ ...fields, timestamp: { ...time, description: "When it was answered" } });
}

const spot = { $ref: "#/components/schemas/Spot" };

const place = (whose: string): Record<string, Schema> => ({
  [`${whose}_country`]: orNull(text),
  [`${whose}_continent`]: {
    type: ["string", "null"],
    enum: ["AF", "AN", "AS", "EU", "NA", "OC", "SA", null],
  },
  [`${whose}_lat`]: { ...orNull(number), description: "Degrees, north positive" },
  [`${whose}_lon`]: { ...orNull(number), description: "Degrees, east positive" },
});

export const components: Readonly<Record<string, Schema>> = {
  Error: object({ error: text, message: text }),
  Spot: object({
    id: integer,
    timestamp: { ...time, description: "When the station was heard" },
    dx_call: text,
    frequency: kilohertz,
    spotter_call: text,
    comment: orNull(text),
    mode: orNull(text),
    signal_report: orNull(text),
    grid_square: orNull(text),
    band: orNull(text),
    ...place("dx"),
    ...place("spotter"),
  }),
};

const solarFields = {
  solar_flux: orNull(integer),
  a_index: orNull(integer),
  k_index: orNull(integer),
  sunspot_number: orNull(integer),
  conditions: orNull(text),
};

export const answers = {
  info: answer({
    name: text,
    version: text,
    description: text,
    endpoints: { type: "object", additionalProperties: text },
  }),
  health: object({
    status: { enum: ["healthy", "unhealthy"] },
    database: { enum: ["connected", "disconnected"] },
  }),
  stats: answer({
    total: object({
      total_spots: integer,
      unique_dx_stations: integer,
      unique_spotters: integer,
      earliest_spot: orNull(time),
      latest_spot: orNull(time),
    }),
    today: object({ spots_today: integer, dx_stations_today: integer, spotters_today: integer }),
    recent: object({ spots_last_hour: integer, active_spotters: integer }),
  }),
  spots: answer({
    spots: list(spot),
    count: { ...integer, description: "Spots in this answer" },
    pagination: object({
      total: {
        ...integer,
        description: "Hits, counted up to 10,000; up to a minute and a half old",
      },
      total_is_minimum: { type: "boolean", description: "There are more hits than total" },
      limit: integer,
      offset: integer,
      has_more: { type: "boolean" },
      next_cursor: { ...orNull(text), description: "The parameter cursor of the next page" },
      "searched_back_to?": {
        ...time,
        description:
          "Only when the search took too long: spots older than this were not looked at yet; next_cursor goes on there",
      },
    }),
  }),
  recent_spots: answer({ spots: list(spot), hours: integer, count: integer }),
  stream: { type: "string", description: "Events named spot: id, and a Spot as data" },
  bands: answer({
    bands: list(
      object({
        band: text,
        spot_count: integer,
        dx_stations: integer,
        min_freq: kilohertz,
        max_freq: kilohertz,
        latest_spot: time,
      }),
    ),
  }),
  band_conditions: answer({
    conditions: list(
      object({
        band: text,
        spot_count: integer,
        voice_count: integer,
        cw_count: integer,
        latest_spot: time,
      }),
    ),
    minutes: integer,
  }),
  band_activity: answer({
    activity: list(object({ hour: time, band: text, spot_count: integer })),
    hours: integer,
  }),
  frequency_histogram: answer({
    histogram: list(
      object({
        bin_number: integer,
        spot_count: integer,
        bin_min_freq: kilohertz,
        bin_max_freq: kilohertz,
        center_freq: { ...number, description: "kHz" },
      }),
    ),
    bins: integer,
    "bin_width?": { ...number, description: "kHz" },
    "frequency_range?": object({ min: number, max: number }, "kHz"),
    total_spots: integer,
  }),
  hourly_activity: answer({
    activity: list(
      object({
        hour: time,
        spot_count: integer,
        unique_dx_stations: integer,
        unique_spotters: integer,
      }),
    ),
    hours: integer,
  }),
  top_callsigns: answer({
    "top_spotters?": list(
      object({
        callsign: text,
        spot_count: integer,
        stations_spotted: integer,
        last_activity: time,
      }),
    ),
    "top_spotted?": list(
      object({ callsign: text, times_spotted: integer, spotted_by: integer, last_spotted: time }),
    ),
  }),
  solar: answer({
    solar: object({ timestamp: orNull(time), ...solarFields }),
    history: list(
      object({
        id: integer,
        timestamp: time,
        announcement_type: text,
        station_call: text,
        ...solarFields,
      }),
    ),
    hours: integer,
  }),
  prefixes: answer({
    prefixes: list(
      object({ prefix: text, country: text, continent: text, lat: number, lon: number }),
    ),
    count: integer,
  }),
} as const satisfies Readonly<Record<string, Schema>>;
