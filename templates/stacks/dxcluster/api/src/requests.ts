/** What each endpoint takes. Pure data. Names, defaults and maxima are those that users of the API have always had. */
import type { Parameters, Values } from "./parameters.ts";

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
  offset: {
    type: "integer",
    about: "Spots to skip",
    minimum: 0,
    maximum: 1_000_000,
    fallback: 0,
    refusal: "go on by cursor instead",
  },
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
    about: "Field, and ASC (when it says nothing) or DESC",
    allowed: orders,
    fallback: "timestamp DESC",
  },
  cursor: {
    type: "text",
    about:
      "next_cursor of the page before; instead of offset, and as fast on the last page as on the first",
    longest: 200,
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

export const bandActivityParameters = { hours } as const satisfies Parameters;

export const conditionsParameters = {
  minutes: {
    type: "integer",
    about: "Minutes to look back",
    minimum: 1,
    maximum: 180,
    fallback: 30,
  },
} as const satisfies Parameters;

export const solarParameters = {
  hours: { type: "integer", about: "Hours of history", minimum: 1, maximum: 720, fallback: 72 },
} as const satisfies Parameters;

/** What a search for spots wants, with its order in one form: `timestamp DESC`. */
export type SpotsWanted = Omit<Values<typeof spotsParameters>, "order_by"> & {
  readonly order: string;
};

export function withOrder(wanted: Values<typeof spotsParameters>): SpotsWanted {
  const { order_by, ...others } = wanted;
  const [field = "timestamp", direction = "ASC"] = order_by.split(" ");
  return { ...others, order: `${field} ${direction.toUpperCase()}` };
}
