/** The spots the page holds: newest first, bounded, filtered, sorted. Pure. */
export interface Spot {
  readonly id: number;
  readonly timestamp: string;
  readonly dx_call: string;
  /** kHz, as text with three decimals. */
  readonly frequency: string;
  readonly spotter_call: string;
  readonly comment: string | null;
  readonly mode: string | null;
  readonly signal_report: string | null;
  readonly grid_square: string | null;
  readonly band: string | null;
  readonly dx_country: string | null;
  readonly spotter_country: string | null;
  /** Degrees, north and east positive; null where the callsign's prefix is unknown. */
  readonly dx_lat: number | null;
  readonly dx_lon: number | null;
  readonly spotter_lat: number | null;
  readonly spotter_lon: number | null;
}

export interface Filter {
  readonly band: string;
  readonly mode: string;
  readonly text: string;
  readonly people: boolean;
}

export const mostSpots = 2000;

/** What a node tells of afterwards has a higher id than what is newer. Times are ISO 8601 in UTC: they sort as text. */
function byAge(a: Spot, b: Spot): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? 1 : -1;
  return b.id - a.id;
}

/** Adds spots that are not there yet and keeps the newest, newest first. */
export function mergeSpots(
  held: readonly Spot[],
  arrived: readonly Spot[],
  most = mostSpots,
): readonly Spot[] {
  const known = new Set(held.map((spot) => spot.id));
  const fresh: Spot[] = [];
  for (const spot of arrived) {
    if (known.has(spot.id)) continue;
    known.add(spot.id);
    fresh.push(spot);
  }
  if (fresh.length === 0) return held;
  return [...fresh, ...held].sort(byAge).slice(0, most);
}

export function isFiltering(filter: Filter): boolean {
  return filter.band !== "" || filter.mode !== "" || filter.people || filter.text.trim() !== "";
}

export function matches(spot: Spot, filter: Filter): boolean {
  if (filter.band !== "" && spot.band !== filter.band) return false;
  if (filter.mode !== "" && spot.mode !== filter.mode) return false;
  if (filter.people && spot.spotter_call.includes("#")) return false;
  const wanted = filter.text.trim().toUpperCase();
  return (
    wanted === "" ||
    [spot.dx_call, spot.spotter_call, spot.comment, spot.dx_country].some(
      (text) => text?.toUpperCase().includes(wanted) === true,
    )
  );
}

/** The filter as the address bar holds it, so that it can be bookmarked and passed on: `band=20m&find=JA`. */
export function writeFilter(filter: Filter): string {
  return new URLSearchParams({
    ...(filter.band !== "" && { band: filter.band }),
    ...(filter.mode !== "" && { mode: filter.mode }),
    ...(filter.text.trim() !== "" && { find: filter.text.trim() }),
    ...(filter.people && { people: "1" }),
  }).toString();
}

/** Whatever somebody typed there; what is no band or mode is left out. */
export function readFilter(text: string): Filter {
  const given = new URLSearchParams(text);
  const word = (name: string): string => {
    const value = given.get(name) ?? "";
    return /^[\w.]{1,10}$/.test(value) ? value : "";
  };
  return {
    band: word("band").toLowerCase(),
    mode: word("mode").toUpperCase(),
    text: (given.get("find") ?? "").slice(0, 40),
    people: given.get("people") === "1",
  };
}

/**
 * What to ask the API for, so that a filter also finds what the page does not hold: queries for `/api/spots`, none
 * without a filter. A callsign may be heard or hear or be spoken of, and the API has a parameter for each.
 */
export function searchQueries(filter: Filter, limit: number): readonly string[] {
  const text = filter.text.trim();
  if (filter.band === "" && filter.mode === "" && text === "") return [];
  const query = (more: Readonly<Record<string, string>>): string =>
    new URLSearchParams({
      limit: String(limit),
      ...(filter.band !== "" && { band: filter.band }),
      ...(filter.mode !== "" && { mode: filter.mode }),
      ...more,
    }).toString();
  if (text === "") return [query({})];
  // One letter is in most callsigns, and two are in most comments: what the page holds must do.
  return [
    ...(/^[a-z0-9/#-]{2,20}$/i.test(text)
      ? [query({ dx_call: text }), query({ spotter_call: text })]
      : []),
    ...(text.length >= 3 ? [query({ comment_contains: text })] : []),
  ];
}

export type SortKey = "time" | "frequency" | "dx" | "country" | "mode" | "comment" | "spotter";

export interface Order {
  readonly key: SortKey;
  readonly descending: boolean;
}

const sortValue: Readonly<Record<SortKey, (spot: Spot) => string | number>> = {
  time: (spot) => Date.parse(spot.timestamp),
  frequency: (spot) => Number(spot.frequency),
  dx: (spot) => spot.dx_call,
  country: (spot) => spot.dx_country ?? "",
  mode: (spot) => spot.mode ?? "",
  comment: (spot) => (spot.comment ?? "").toUpperCase(),
  spotter: (spot) => spot.spotter_call,
};

/** Spots that are equal stay newest first; what has no value comes last either way. */
export function sortSpots(spots: readonly Spot[], order: Order): readonly Spot[] {
  const valueOf = sortValue[order.key];
  const sign = order.descending ? -1 : 1;
  return spots
    .map((spot) => ({ spot, value: valueOf(spot) }))
    .sort((a, b) => {
      if (a.value !== b.value) {
        if (a.value === "") return 1;
        if (b.value === "") return -1;
        return a.value < b.value ? -sign : sign;
      }
      return byAge(a.spot, b.spot);
    })
    .map(({ spot }) => spot);
}

export type Style = "cw" | "digital" | "voice" | "other";

const voice = new Set(["SSB", "FM", "AM"]);

/** What kind of transmission a mode is; the database knows modes by the names `radio/comment.ts` gives them. */
export function styleOf(mode: string | null): Style {
  if (mode === null) return "other";
  if (mode === "CW") return "cw";
  return voice.has(mode) ? "voice" : "digital";
}

export type Level = "green" | "yellow" | "red";

export interface Condition {
  readonly band: string;
  readonly spot_count: number;
  readonly voice_count: number;
}

/** Two voice reports open a band; one may be a mistake. */
export function levelOf(condition: Condition | undefined): Level {
  if (condition === undefined || condition.spot_count === 0) return "red";
  return condition.voice_count >= 2 ? "green" : "yellow";
}

export interface HourCount {
  readonly hour: string;
  readonly band: string;
  readonly spot_count: number;
}

export interface Heat {
  /** Epoch milliseconds of the full hours, oldest first. */
  readonly hours: readonly number[];
  readonly rows: readonly { readonly band: string; readonly counts: readonly number[] }[];
  readonly totals: readonly number[];
  readonly most: number;
}

const hourLength = 3_600_000;

/**
 * Counts on a grid of bands and the last 24 full or begun hours.
 * @param now epoch milliseconds
 * @param bands the rows, in their order; a band without spots has a row of zeros
 */
export function makeHeat(
  counts: readonly HourCount[],
  bands: readonly string[],
  now: number,
): Heat {
  const thisHour = Math.floor(now / hourLength) * hourLength;
  const hours = Array.from({ length: 24 }, (_, index) => thisHour - (23 - index) * hourLength);
  const found = new Map(
    counts.map((row) => [`${row.band} ${Date.parse(row.hour)}`, row.spot_count]),
  );
  const rows = bands.map((band) => ({
    band,
    counts: hours.map((hour) => found.get(`${band} ${hour}`) ?? 0),
  }));
  return {
    hours,
    rows,
    totals: hours.map((_, index) => rows.reduce((sum, row) => sum + (row.counts[index] ?? 0), 0)),
    most: Math.max(0, ...rows.flatMap((row) => row.counts)),
  };
}

/** A shade from 0 (nothing) to 6 (the most). By the root: a busy band must not make the others look dead. */
export function shadeOf(count: number, most: number): number {
  return count === 0 || most === 0 ? 0 : Math.max(1, Math.ceil(Math.sqrt(count / most) * 6));
}

/** NOAA's words for the planetary K index. */
export function wordOfK(k: number): { readonly word: string; readonly level: Level } {
  if (k <= 2) return { word: "quiet", level: "green" };
  if (k === 3) return { word: "unsettled", level: "green" };
  if (k === 4) return { word: "active", level: "yellow" };
  return { word: "storm", level: "red" };
}

/** The words of DK0WCY's announcements. */
const sunActivity: Readonly<Record<string, string>> = {
  qui: "sun quiet",
  eru: "sun eruptive",
  act: "sun active",
  maj: "major flare expected",
  pro: "proton flare expected",
};
const aurora: Readonly<Record<string, string>> = {
  no: "no aurora",
  aurora: "aurora",
  strong: "strong aurora",
};

/**
 * What an announcement says besides its numbers, in words. WWV: `No Storms -> Minor w/G1`, what was and what is expected,
 * said once when both are the same. WCY: `SA=qui GMF=qui Au=no`; what is not known there is left out, and the field is
 * judged by K.
 */
export function sayConditions(conditions: string): string {
  if (conditions.includes("=")) {
    const given = new Map(
      conditions
        .toLowerCase()
        .split(/\s+/)
        .map((pair) => pair.split("=", 2) as [string, string]),
    );
    const parts = [sunActivity[given.get("sa") ?? ""], aurora[given.get("au") ?? ""]];
    return parts.filter((part) => part !== undefined).join(" · ");
  }
  const [was = "", expected = was] = conditions.split(/\s*->\s*/);
  return (was === expected ? was : `${was} → ${expected}`).toLowerCase();
}
