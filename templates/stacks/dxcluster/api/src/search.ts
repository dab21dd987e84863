/**
 * A search for spots that stays quick at ten million of them: the newest day is looked at first, then longer stretches, until
 * the page is full. A question that finds next to nothing in a very long time is answered with what was found so far.
 */
import { type Cursor, readCursor, writeCursor } from "./cursor.ts";
import { type Database, isTooSlow } from "./database.ts";
import type { Memo } from "./memo.ts";
import {
  countQuery,
  matchingCallsQuery,
  type Matching,
  modesQuery,
  mostMatchingCalls,
  pageQuery,
  type SpotRow,
} from "./queries.ts";
import type { SpotsWanted } from "./requests.ts";

/** More than this many hits are not counted: the count would cost more than the page. */
const countLimit = 10_000;
/** Lengths in days of the stretches that are looked at, newest first; the last one is everything before. */
const pageStretches = [1, 7, 31, 186];
const countStretches = [31, 186];
/** Milliseconds after which no further stretch is begun. */
const patience = 2000;
const day = 86_400_000;

export interface Page {
  readonly rows: readonly SpotRow[];
  readonly hasMore: boolean;
  readonly nextCursor: string | null;
  readonly total: number;
  /** There are more than `total`, they were not counted. */
  readonly totalIsMinimum: boolean;
  /** Set when the search was given up before the first spot ever. */
  readonly searchedBackTo: Date | null;
}

interface Found {
  readonly rows: readonly SpotRow[];
  readonly searchedBackTo: Date | null;
}

export class SpotSearch {
  readonly #database: Database;
  readonly #memo: Memo;

  constructor(database: Database, memo: Memo) {
    this.#database = database;
    this.#memo = memo;
  }

  /** @throws BadRequest for a cursor that does not fit. */
  async find(wanted: SpotsWanted): Promise<Page> {
    const cursor = wanted.cursor === undefined ? null : readCursor(wanted.cursor, wanted.order);
    const matching = await this.#match(wanted);
    const impossible = [matching.dx, matching.spotter, matching.modes].some(
      (list) => list?.length === 0,
    );
    const { rows: found, searchedBackTo } = impossible
      ? { rows: [], searchedBackTo: null }
      : await this.#page(wanted, matching, cursor);
    const rows = found.slice(0, wanted.limit);
    const isFull = found.length > wanted.limit;
    const hasMore = isFull || searchedBackTo !== null;
    const seen = wanted.offset + rows.length;
    // Nothing comes after this page: it was counted by reading it.
    const isCounted = !hasMore && cursor === null && (rows.length > 0 || wanted.offset === 0);
    const isKnown = isCounted || impossible || searchedBackTo !== null;
    const hits = isKnown ? seen : await this.#count(wanted, matching);
    return {
      rows,
      hasMore,
      nextCursor: hasMore ? this.#cursorAfter(rows.at(-1), wanted, searchedBackTo) : null,
      total: Math.max(Math.min(hits, countLimit), rows.length > 0 ? seen : 0),
      totalIsMinimum: hits > countLimit || searchedBackTo !== null,
      searchedBackTo,
    };
  }

  #cursorAfter(last: SpotRow | undefined, wanted: SpotsWanted, backTo: Date | null): string {
    const field = wanted.order.split(" ")[0] as "timestamp" | "frequency" | "dx_call";
    if (backTo !== null || last === undefined)
      return writeCursor({
        order: wanted.order,
        value: null,
        at: (backTo?.getTime() ?? 0) * 1000,
        id: 0,
      });
    return writeCursor({
      order: wanted.order,
      value: field === "timestamp" ? null : last[field],
      at: last.at,
      id: last.id,
    });
  }

  async #match(wanted: SpotsWanted): Promise<Matching> {
    const calls = async (part: string | undefined): Promise<readonly string[] | undefined> => {
      if (part === undefined) return undefined;
      const rows = await this.#database.rows<{ callsign: string }>(matchingCallsQuery(part));
      return rows.length > mostMatchingCalls ? undefined : rows.map((row) => row.callsign);
    };
    const [dx, spotter, modes] = await Promise.all([
      calls(wanted.dx_call),
      calls(wanted.spotter_call),
      this.#modes(wanted.mode?.toUpperCase()),
    ]);
    return { ...(dx && { dx }), ...(spotter && { spotter }), ...(modes && { modes }) };
  }

  async #modes(part: string | undefined): Promise<readonly string[] | undefined> {
    if (part === undefined) return undefined;
    const ask = (): Promise<readonly { mode: string }[]> => this.#database.rows(modesQuery);
    const among = (rows: readonly { mode: string }[]): readonly string[] =>
      rows.map((row) => row.mode).filter((mode) => mode.includes(part));
    const known = among(await this.#memo.get("modes", 5, ask));
    // Perhaps the first spot with it has just come.
    return known.length > 0 ? known : among(await ask());
  }

  async #page(wanted: SpotsWanted, matching: Matching, cursor: Cursor | null): Promise<Found> {
    const most = wanted.limit + 1;
    if (wanted.order !== "timestamp DESC" || wanted.offset > 0) {
      const query = pageQuery(wanted, matching, cursor, most);
      return { rows: await this.#database.rows<SpotRow>(query), searchedBackTo: null };
    }
    const newest = Math.min(
      wanted.until?.getTime() ?? Infinity,
      cursor === null ? Infinity : cursor.at / 1000,
      Date.now(),
    );
    const rows: SpotRow[] = [];
    const finished = await this.#walk(pageStretches, newest, wanted.since, async (stretch) => {
      const query = pageQuery(wanted, matching, cursor, most - rows.length, stretch);
      rows.push(...(await this.#database.rows<SpotRow>(query)));
      return rows.length >= most;
    });
    return { rows, searchedBackTo: finished };
  }

  async #count(wanted: SpotsWanted, matching: Matching): Promise<number> {
    const { limit: _limit, offset: _offset, cursor: _cursor, order: _order, ...filter } = wanted;
    return this.#memo.get(`count ${JSON.stringify(filter)}`, 15, async () => {
      const newest = Math.min(wanted.until?.getTime() ?? Infinity, Date.now());
      let total = 0;
      const finished = await this.#walk(countStretches, newest, wanted.since, async (stretch) => {
        const query = countQuery(wanted, matching, countLimit + 1 - total, stretch);
        total += (await this.#database.rows<{ total: number }>(query))[0]?.total ?? 0;
        return total > countLimit;
      }).catch((error: unknown) => {
        if (!isTooSlow(error)) throw error;
        return new Date();
      });
      return finished === null ? total : countLimit + 1;
    });
  }

  /**
   * Stretches of time, newest first, until `look` has enough or `since` is reached.
   * @returns null, or where the search was given up because it took too long.
   */
  async #walk(
    days: readonly number[],
    newest: number,
    since: Date | undefined,
    look: (stretch: { from: Date | undefined; before: Date | undefined }) => Promise<boolean>,
  ): Promise<Date | null> {
    const started = performance.now();
    let before: Date | undefined;
    for (const length of [...days, Infinity]) {
      const start = newest - length * day;
      const isLast = start <= (since?.getTime() ?? -Infinity);
      const from = isLast ? undefined : new Date(start);
      try {
        if (await look({ from, before })) return null;
      } catch (error) {
        if (before === undefined || !isTooSlow(error)) throw error;
        return before;
      }
      if (isLast) return null;
      before = from;
      if (performance.now() - started > patience && before !== undefined) return before;
    }
    return null;
  }
}
