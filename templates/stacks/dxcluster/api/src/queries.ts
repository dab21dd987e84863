/** What the endpoints ask PostgreSQL for spots. Pure: parameters in, SQL text and values out. Aggregates are in reports.ts. */
import { bands } from "../../radio/bands.ts";
import type { Cursor } from "./cursor.ts";
import type { SpotsWanted } from "./requests.ts";

export interface Query {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Prepared once a connection, with one plan for all values. Not longer than 63 bytes. */
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
  spotter_grid, round(extract(epoch from timestamp) * 1000000)::bigint as at`;

/** What a part of a callsign or a grid square stands for. */
export interface Match {
  readonly values: readonly string[];
  /** About how many spots have one of them. */
  readonly spots: number;
}

/** What parts of names stand for; absent where that is not asked, or too many to list. */
export interface Matching {
  readonly dx?: Match;
  readonly spotter?: Match;
  readonly grid?: Match;
  readonly modes?: readonly string[];
}

/** More names than this, and their spots are found soon enough by looking at the newest ones. */
export const mostMatches = 1000;

/** Up to so many names, each has its own walk through an index. */
const mostWalks = 8;

/** The stations with a part of a callsign: there are far fewer stations than spots, so this is asked first. */
export function matchingCallsQuery(part: string, count: "total_spots" | "total_spotted"): Query {
  return {
    text: `select callsign as value, ${count} as spots from callsigns where callsign like $1 limit ${mostMatches + 1}`,
    values: [contains(part.toUpperCase())],
  };
}

/** The grid squares with a part of a name, likewise. */
export function matchingGridsQuery(part: string): Query {
  return {
    text: `select grid_square as value, spot_count as spots from grid_squares where grid_square ilike $1 limit ${mostMatches + 1}`,
    values: [contains(part)],
  };
}

/** Any spot of every month: what a new session does first. */
export const firstLookQuery: Query = {
  text: `select ${spotColumns} from dx_spots order by timestamp desc, id desc limit 1`,
  values: [],
};

/** How far back the newest ten thousand spots go, and all of them. */
export const spanQuery: Query = {
  name: "span",
  text: `select (select timestamp from dx_spots order by timestamp desc, id desc offset 10000 limit 1) as ten_thousandth,
    (select min(timestamp) from dx_spots) as earliest`,
  values: [],
};

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

/** All of time. */
export const everything: Stretch = { from: undefined, before: undefined };

/** Whether one index has these spots in the order of their time: then finding the newest costs the same however few there are. */
export function isInOrder(wanted: SpotsWanted, matching: Matching): boolean {
  return new Where(wanted, matching, everything).isInOrder;
}

/** Whether the count is found in one index. */
export function isCountedByIndex(wanted: SpotsWanted, matching: Matching): boolean {
  return new Where(wanted, matching, everything).isCountedByIndex;
}

/**
 * One page, from one stretch of time. `limit` and `offset` are the caller's: it asks for one more than it shows, and may get more.
 * @param isGathered all hits of the stretch are read and then sorted. PostgreSQL would walk from the newest spot on and stop when
 *   the page is full: in vain, where two lists of names have next to no spot in common.
 */
export function pageQuery(
  wanted: SpotsWanted,
  matching: Matching,
  cursor: Cursor | null,
  limit: number,
  offset: number,
  stretch: Stretch = everything,
  isGathered = false,
): Query {
  const where = new Where(wanted, matching, stretch);
  const [field = "timestamp", direction = "ASC"] = wanted.order.split(" ");
  if (cursor !== null) where.addCursor(field, direction, cursor);
  if (field === "frequency") where.addBandEdges(wanted.band);
  const order =
    field === "timestamp"
      ? `timestamp ${direction}, id ${direction}`
      : `${field} ${direction}, timestamp desc, id desc`;
  // A few sizes only: each is a statement of its own, with a plan of its own.
  const most = [26, 51, 101, 201, 501].find((size) => size >= limit) ?? Math.trunc(limit);
  const hits = isGathered
    ? `(select * from dx_spots ${where.text} offset 0) as gathered`
    : `dx_spots ${where.text}`;
  if (offset > 0) {
    // Spots that are skipped need not be read when the index has all that is asked.
    const keys = `select timestamp, id from ${hits} order by ${order} limit ${most} offset ${Math.trunc(offset)}`;
    return {
      text: `select ${spotColumns} from dx_spots join (${keys}) as page using (timestamp, id) order by ${order}`,
      values: where.values,
    };
  }
  const named = { values: where.values, name: `page ${direction} ${most} ${where.shape}` };
  if (field === "timestamp" && where.isInOrder && where.names > 1) {
    // One walk through the index for each name, and the best of them all.
    const one = `select ${spotColumns} from dx_spots ${where.text.replace("= any($1)", "= name")} order by ${order} limit ${most}`;
    return {
      ...named,
      text: `select found.* from unnest($1::text[]) as name cross join lateral (${one}) as found order by ${order} limit ${most}`,
    };
  }
  return {
    text: `select ${spotColumns} from ${hits} order by ${order} limit ${most}`,
    ...(where.isInOrder && field === "timestamp" ? named : { values: where.values }),
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
    ...(where.isCountedByIndex && { name: `count ${Math.trunc(most)} ${where.shape}` }),
  };
}

/** Conditions and their values: no value ever stands in the text. */
class Where {
  readonly values: unknown[] = [];
  readonly #conditions: string[] = [];
  /** Conditions in short, those on the time and the others. */
  readonly #times: string[] = [];
  readonly #others: string[] = [];

  constructor(wanted: SpotsWanted, matching: Matching, stretch: Stretch) {
    this.#addMatch("dx_call", matching.dx, "like", wanted.dx_call?.toUpperCase());
    this.#addMatch("spotter_call", matching.spotter, "like", wanted.spotter_call?.toUpperCase());
    this.#addMatch("grid_square", matching.grid, "ilike", wanted.grid_square);
    this.#add("frequency >= ?", wanted.frequency_min);
    this.#add("frequency <= ?", wanted.frequency_max);
    this.#add("band = ?", wanted.band?.toLowerCase());
    const modes = matching.modes && { values: matching.modes, spots: 0 };
    this.#addMatch("mode", modes, "like", wanted.mode?.toUpperCase());
    this.#add("comment ilike ?", contains(wanted.comment_contains));
    this.#add("timestamp >= ?", wanted.since);
    this.#add("timestamp <= ?", wanted.until);
    this.#add("timestamp >= ?", stretch.from);
    this.#add("timestamp < ?", stretch.before);
  }

  get text(): string {
    return this.#conditions.length === 0 ? "" : `where ${this.#conditions.join(" and ")}`;
  }

  /** There is one index that says all: one plan is right for whatever the values are. */
  get isSimple(): boolean {
    const [only, ...others] = this.#others;
    if (only === undefined) return true;
    return others.length === 0
      ? /^\w+ = /.test(only)
      : this.#others.join(" ") === "band = ? mode = ?";
  }

  /** Likewise, and the index has them in the order of their time. */
  get isInOrder(): boolean {
    return this.isSimple && this.names <= mostWalks;
  }

  /** How many names the one condition takes. */
  get names(): number {
    const [list] = this.values;
    return this.isSimple && Array.isArray(list) ? list.length : 1;
  }

  /** The count may take any index that has all it asks. */
  get isCountedByIndex(): boolean {
    return this.isSimple || this.#others.every((condition) => condition.startsWith("frequency "));
  }

  /** Short enough for the name of a statement (63 bytes). */
  get shape(): string {
    return [...this.#others, ...this.#times]
      .map((condition) => condition.replaceAll(/(?:::)?timestamp(?:tz)?|[ ?]/g, ""))
      .join(" ");
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

  #addMatch(
    column: string,
    match: Pick<Match, "values"> | undefined,
    like: string,
    part?: string,
  ): void {
    const [only, ...others] = match?.values ?? [];
    if (match === undefined) this.#add(`${column} ${like} ?`, contains(part));
    else if (only !== undefined && others.length === 0) this.#add(`${column} = ?`, only);
    else this.#add(`${column} = any(?)`, match.values);
  }

  #add(condition: string, ...values: readonly unknown[]): void {
    if (values[0] === undefined) return;
    let next = this.values.length;
    this.#conditions.push(condition.replaceAll("?", () => `$${(next += 1)}`));
    this.values.push(...values);
    (/timestamp/.test(condition) ? this.#times : this.#others).push(condition);
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
