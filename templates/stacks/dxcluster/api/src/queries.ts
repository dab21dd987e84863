/** What the endpoints ask PostgreSQL for spots. Pure: parameters in, SQL text and values out. Aggregates are in reports.ts. */
import { bands } from "../../radio/bands.ts";
import type { Cursor } from "./cursor.ts";
import type { SpotsWanted } from "./requests.ts";

export interface Query {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Prepared once a connection. */
  readonly name?: string;
}

/** A row of dx_spots as it is read; `at` (microseconds) is what a cursor needs, `spotter_grid` what a map needs. */
export interface SpotRow {
  readonly id: number;
  readonly timestamp: string;
  readonly dx_call: string;
  /** kHz, three decimals. */
  readonly frequency: string;
  readonly spotter_call: string;
  readonly comment: string | null;
  readonly mode: string | null;
  readonly signal_report: string | null;
  readonly grid_square: string | null;
  readonly band: string | null;
  readonly spotter_grid: string | null;
  readonly at: number;
}

const spotColumns = `id, timestamp, dx_call, frequency, spotter_call, comment, mode, signal_report, grid_square, band,
  spotter_grid, (extract(epoch from timestamp) * 1000000)::bigint as at`;

/** What parts of callsigns and modes stand for; absent where that is not asked, or too many to list. */
export interface Matching {
  readonly dx?: readonly string[];
  readonly spotter?: readonly string[];
  readonly modes?: readonly string[];
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

/** Every mode there is, by hopping through the index. */
export const modesQuery: Query = {
  name: "modes",
  text: `with recursive hop as (
      (select mode from dx_spots where mode is not null order by mode limit 1)
      union all
      select (select mode from dx_spots where mode > hop.mode order by mode limit 1) from hop where hop.mode is not null)
    select mode from hop where mode is not null`,
  values: [],
};

/** A stretch of time: from it on, until before it. */
export interface Stretch {
  readonly from: Date | undefined;
  readonly before: Date | undefined;
}

const everything: Stretch = { from: undefined, before: undefined };

/** One page, from one stretch of time. `limit` and `offset` are the caller's: it asks for one more than it shows. */
export function pageQuery(
  wanted: SpotsWanted,
  matching: Matching,
  cursor: Cursor | null,
  limit: number,
  stretch: Stretch = everything,
): Query {
  const where = new Where(wanted, matching, stretch);
  const [field = "timestamp", direction = "ASC"] = wanted.order.split(" ");
  if (cursor !== null) where.addCursor(field, direction, cursor);
  if (field === "frequency") where.addBandEdges(wanted.band);
  const order =
    field === "timestamp"
      ? `timestamp ${direction}, id ${direction}`
      : `${field} ${direction}, timestamp desc, id desc`;
  const values = [...where.values, limit, wanted.offset];
  return {
    text: `select ${spotColumns} from dx_spots ${where.text} order by ${order} limit $${values.length - 1} offset $${values.length}`,
    values,
  };
}

export function countQuery(
  wanted: SpotsWanted,
  matching: Matching,
  most: number,
  stretch: Stretch = everything,
): Query {
  const where = new Where(wanted, matching, stretch);
  return {
    text: `select count(*)::int as total from (select 1 from dx_spots ${where.text} limit ${Math.trunc(most)}) as hits`,
    values: where.values,
  };
}

/** Conditions and their values: no value ever stands in the text. */
class Where {
  readonly values: unknown[] = [];
  readonly #conditions: string[] = [];

  constructor(wanted: SpotsWanted, matching: Matching, stretch: Stretch) {
    if (matching.dx !== undefined) this.#add("dx_call = any(?)", matching.dx);
    else this.#add("dx_call like ?", contains(wanted.dx_call?.toUpperCase()));
    if (matching.spotter !== undefined) this.#add("spotter_call = any(?)", matching.spotter);
    else this.#add("spotter_call like ?", contains(wanted.spotter_call?.toUpperCase()));
    this.#add("frequency >= ?", wanted.frequency_min);
    this.#add("frequency <= ?", wanted.frequency_max);
    this.#add("band = ?", wanted.band?.toLowerCase());
    const [mode, ...others] = matching.modes ?? [];
    if (mode !== undefined && others.length === 0) this.#add("mode = ?", mode);
    else if (matching.modes !== undefined) this.#add("mode = any(?)", matching.modes);
    else this.#add("mode like ?", contains(wanted.mode?.toUpperCase()));
    this.#add("grid_square ilike ?", contains(wanted.grid_square));
    this.#add("comment ilike ?", contains(wanted.comment_contains));
    this.#add("timestamp >= ?", wanted.since);
    this.#add("timestamp <= ?", wanted.until);
    this.#add("timestamp >= ?", stretch.from);
    this.#add("timestamp < ?", stretch.before);
  }

  get text(): string {
    return this.#conditions.length === 0 ? "" : `where ${this.#conditions.join(" and ")}`;
  }

  addCursor(field: string, direction: string, { value, at, id }: Cursor): void {
    const later = direction === "ASC" ? ">" : "<";
    const time = isoMicroseconds(at);
    if (field === "timestamp") {
      this.#add(`(timestamp, id) ${later} (?::timestamptz, ?)`, time, id);
      // Says the same to whoever chooses the months to look at.
      this.#add(`timestamp ${later}= ?::timestamptz`, time);
      return;
    }
    const type = field === "frequency" ? "?::numeric" : "?::text";
    this.#add(`${field} ${later}= ${type}`, value);
    this.#add(
      `(${field} ${later} ${type} or (timestamp, id) < (?::timestamptz, ?))`,
      value,
      time,
      id,
    );
  }

  /** A band is a range of frequencies: whoever walks through these in order need not see the others. */
  addBandEdges(name: string | undefined): void {
    const band = bands.find((candidate) => candidate.name === name?.toLowerCase());
    this.#add("frequency >= ?", band?.low);
    this.#add("frequency <= ?", band?.high);
  }

  #add(condition: string, ...values: readonly unknown[]): void {
    if (values[0] === undefined) return;
    let next = this.values.length;
    this.#conditions.push(condition.replaceAll("?", () => `$${(next += 1)}`));
    this.values.push(...values);
  }
}

function isoMicroseconds(at: number): string {
  const milliseconds = Math.floor(at / 1000);
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(at - milliseconds * 1000).padStart(3, "0")}Z`;
}

function contains(part: string | undefined): string | undefined {
  return part === undefined ? undefined : `%${part.replace(/[\\%_]/g, "\\$&")}%`;
}

/** The newest spots since a time. */
export function recentQuery(since: Date, limit: number): Query {
  return {
    text: `select ${spotColumns} from dx_spots where timestamp >= $1 order by timestamp desc, id desc limit $2`,
    values: [since, limit],
  };
}

/** What was stored after an id, oldest first. */
export function newerQuery(id: number, limit: number): Query {
  return {
    name: "newer",
    text: `select ${spotColumns} from dx_spots where id > $1 order by id limit $2`,
    values: [id, limit],
  };
}

export const newestIdQuery: Query = {
  text: "select coalesce(max(id), 0) as id from dx_spots",
  values: [],
};

export const prefixesQuery: Query = {
  text: "select prefix, country, continent, latitude, longitude from prefixes order by prefix",
  values: [],
};
