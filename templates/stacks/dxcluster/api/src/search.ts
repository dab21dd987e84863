/**
 * A search for spots that stays quick at ten million of them. Where one index has the answer in order it is asked at once;
 * else the newest spots are looked at first, then longer and longer stretches of time, until the page is full. A question that
 * finds next to nothing in a very long time is answered with what was found so far.
 */
import { type Cursor, readCursor, writeCursor } from "./cursor.ts";
import { type Database, isTooSlow } from "./database.ts";
import type { Memo } from "./memo.ts";
import {
  countQuery,
  everything,
  isCountedByIndex,
  isInOrder,
  type Match,
  matchingCallsQuery,
  matchingGridsQuery,
  type Matching,
  modesQuery,
  mostMatches,
  pageQuery,
  type Query,
  spanQuery,
  type SpotRow,
} from "./queries.ts";
import type { SpotsWanted } from "./requests.ts";

/** More than this many hits are not counted: the count would cost more than the page. */
const countLimit = 10_000;
/** A stretch is longer than the one before by what it takes to fill the page, within these bounds. */
const leastGrowth = 8;
const mostGrowth = 256;
/** Milliseconds for all stretches together: no further one is begun that would take longer, going by the last. */
const patience = { page: 1200, count: 600 } as const;
/** A search that took no longer, in milliseconds, may look as far at once when it is asked again. */
const quick = 200;
const mostReaches = 2000;
/** A list of names is worked off by itself where about so many spots have them. */
const mostGathered = 50_000;
/** A count is kept the longer, the more it cost: seconds. */
const countKept = { least: 15, most: 120 } as const;

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
  /** How far back the last page of a question went, in milliseconds. */
  readonly #reach = new Map<string, number>();

  constructor(database: Database, memo: Memo) {
    this.#database = database;
    this.#memo = memo;
  }

  /** @throws BadRequest for a cursor that does not fit. */
  async find(wanted: SpotsWanted): Promise<Page> {
    const cursor = wanted.cursor === undefined ? null : readCursor(wanted.cursor, wanted.order);
    const matching = await this.#match(wanted);
    const impossible =
      matching.modes?.length === 0 ||
      [matching.dx, matching.spotter, matching.grid].some((match) => match?.values.length === 0);
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
    const find = async (
      part: string | undefined,
      query: (part: string) => Query,
    ): Promise<Match | undefined> => {
      if (part === undefined) return undefined;
      const rows = await this.#database.rows<{ value: string; spots: number }>(query(part));
      if (rows.length > mostMatches) return undefined;
      return {
        values: rows.map((row) => row.value),
        spots: rows.reduce((sum, row) => sum + row.spots, 0),
      };
    };
    const [dx, spotter, grid, modes] = await Promise.all([
      find(wanted.dx_call, (part) => matchingCallsQuery(part, "total_spotted")),
      find(wanted.spotter_call, (part) => matchingCallsQuery(part, "total_spots")),
      find(wanted.grid_square, matchingGridsQuery),
      this.#modes(wanted.mode?.toUpperCase()),
    ]);
    return {
      ...(dx && { dx }),
      ...(spotter && { spotter }),
      ...(grid && { grid }),
      ...(modes && { modes }),
    };
  }

  async #modes(part: string | undefined): Promise<readonly string[] | undefined> {
    if (part === undefined) return undefined;
    const ask = (): Promise<readonly { mode: string }[]> => this.#database.rows(modesQuery);
    const among = (rows: readonly { mode: string }[]): readonly string[] =>
      rows.map((row) => row.mode).filter((mode) => mode.includes(part));
    const known = among(await this.#memo.get("modes", 30, ask));
    // Perhaps the first spot with it has just come.
    return known.length > 0 ? known : among(await this.#memo.get("modes now", 1, ask));
  }

  async #page(wanted: SpotsWanted, matching: Matching, cursor: Cursor | null): Promise<Found> {
    const most = wanted.limit + 1;
    const { all } = await this.#span();
    const fewest = countFewest(matching);
    const isOrdered = isInOrder(wanted, matching);
    /** Whether so long a stretch has few enough spots with one of the names. */
    const isGathered = (length: number): boolean =>
      !isOrdered && fewest * Math.min(length / all, 1) <= mostGathered;
    if (wanted.order !== "timestamp DESC") {
      const query = pageQuery(
        ...([wanted, matching, cursor, most, wanted.offset] as const),
        ...([everything, isGathered(all)] as const),
      );
      return { rows: await this.#database.rows<SpotRow>(query), searchedBackTo: null };
    }
    const newest = Math.min(
      wanted.until?.getTime() ?? Infinity,
      cursor === null ? Infinity : cursor.at / 1000,
      Date.now(),
    );
    const rows: SpotRow[] = [];
    let offset = wanted.offset;
    const question = JSON.stringify({ ...wanted, cursor: "", offset: "" });
    const first = isOrdered
      ? Infinity
      : (this.#reach.get(question) ?? (await this.#firstLength(fewest, most + offset)));
    this.#reach.delete(question);
    const begun = performance.now();
    let reach = first;
    const finished = await this.#walk(
      patience.page,
      first,
      newest,
      wanted.since,
      async (stretch) => {
        const length = newest - (stretch.from?.getTime() ?? -Infinity);
        reach = length;
        const query = pageQuery(
          ...([wanted, matching, cursor, most - rows.length, offset] as const),
          ...([stretch, isGathered(length)] as const),
        );
        const found = await this.#database.rows<SpotRow>(query);
        rows.push(...found);
        if (found.length > 0) offset = 0;
        else if (offset > 0 && stretch.from !== undefined) {
          // All that there was is skipped: how much was that?
          const count = countQuery(wanted, matching, offset, stretch);
          offset -= (await this.#database.rows<{ total: number }>(count))[0]?.total ?? 0;
        }
        return (rows.length + wanted.offset - offset) / (most + wanted.offset);
      },
    );
    if (!isOrdered && finished === null && performance.now() - begun < quick)
      this.#remember(question, reach);
    return { rows, searchedBackTo: finished };
  }

  /** The next to ask this need not feel its way. */
  #remember(question: string, reach: number): void {
    if (this.#reach.size >= mostReaches) this.#reach.clear();
    this.#reach.set(question, reach);
  }

  /** How far to look at first, in milliseconds, for so many spots. */
  async #firstLength(fewest: number, most: number): Promise<number> {
    // So few are read and sorted at once.
    if (fewest <= most * 3) return Infinity;
    const { unit, all } = await this.#span();
    // Twice as far as it takes when they are spread evenly.
    return fewest === Infinity ? unit : Math.max(unit, (all * 2 * most) / fewest);
  }

  /** Milliseconds that ten thousand spots take now, and that all of them took. */
  async #span(): Promise<{ readonly unit: number; readonly all: number }> {
    return this.#memo.get("span", 60, async () => {
      interface Span {
        readonly ten_thousandth: string | null;
        readonly earliest: string | null;
      }
      const [span] = await this.#database.rows<Span>(spanQuery);
      const since = (time: string | null | undefined): number =>
        time === null || time === undefined
          ? Infinity
          : Math.max(Date.now() - Date.parse(time), 1000);
      return { unit: since(span?.ten_thousandth), all: since(span?.earliest) };
    });
  }

  async #count(wanted: SpotsWanted, matching: Matching): Promise<number> {
    const { limit: _limit, offset: _offset, cursor: _cursor, order: _order, ...filter } = wanted;
    return this.#memo.get(`count ${JSON.stringify(filter)}`, countKept, async () => {
      const newest = Math.min(wanted.until?.getTime() ?? Infinity, Date.now());
      const first = isCountedByIndex(wanted, matching) ? Infinity : (await this.#span()).unit * 16;
      let total = 0;
      const { count } = patience;
      const finished = await this.#walk(count, first, newest, wanted.since, async (stretch) => {
        const query = countQuery(wanted, matching, countLimit + 1 - total, stretch);
        total += (await this.#database.rows<{ total: number }>(query))[0]?.total ?? 0;
        return total / (countLimit + 1);
      }).catch((error: unknown) => {
        if (!isTooSlow(error)) throw error;
        return new Date();
      });
      return finished === null ? total : countLimit + 1;
    });
  }

  /**
   * Stretches of time, newest first, until `look` says that it has the whole (1) or `since` is reached.
   * @param longestMs that all may take together
   * @param first length of the first one, milliseconds
   * @returns null, or where the search was given up because it took too long.
   */
  async #walk(
    longestMs: number,
    first: number,
    newest: number,
    since: Date | undefined,
    look: (stretch: { from: Date | undefined; before: Date | undefined }) => Promise<number>,
  ): Promise<Date | null> {
    const started = performance.now();
    const { all } = await this.#span();
    let before: Date | undefined;
    for (let length = first; ;) {
      const start = newest - length;
      const isLast = length >= all || start <= (since?.getTime() ?? -Infinity);
      const from = isLast ? undefined : new Date(start);
      const begun = performance.now();
      let share: number;
      try {
        share = await look({ from, before });
      } catch (error) {
        if (before === undefined || !isTooSlow(error)) throw error;
        return before;
      }
      if (share >= 1 || from === undefined) return null;
      before = from;
      const now = performance.now();
      // Going by this stretch, one so much longer would use up what patience is left.
      const longest = (started + longestMs - now) / (now - begun);
      if (longest < 2) return before;
      const wanting = Math.max(2 / Math.max(share, 0.001), leastGrowth);
      length *= Math.min(wanting, mostGrowth, longest);
    }
  }
}

/** About how many spots have a name of the shortest list; Infinity: there is no list. */
function countFewest({ dx, spotter, grid }: Matching): number {
  return Math.min(...[dx, spotter, grid].flatMap((match) => match?.spots ?? []));
}
