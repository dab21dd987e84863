/** What the filter wants may be older than the newest spots: a moment after the last key the API is asked too. */
import type { Connection } from "./connection.ts";
import { type Filter, searchQueries, type Spot } from "./spots.ts";
import { shownRows } from "./table.ts";

const moment = 300;

export class FilterSearch {
  readonly #connection: Connection;
  readonly #found: (spots: readonly Spot[]) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wanted = "";

  constructor(connection: Connection, found: (spots: readonly Spot[]) => void) {
    this.#connection = connection;
    this.#found = found;
  }

  /** An answer for a filter that is no longer the wanted one is let go. */
  look(filter: Filter): void {
    clearTimeout(this.#timer);
    const wanted = JSON.stringify(filter);
    this.#wanted = wanted;
    const queries = searchQueries(filter, shownRows);
    if (queries.length === 0) return;
    this.#timer = setTimeout(() => {
      void Promise.all(
        queries.map((query) => this.#connection.ask<{ spots: Spot[] }>(`/api/spots?${query}`)),
      ).then((pages) => {
        if (wanted === this.#wanted) this.#found(pages.flatMap((page) => page?.spots ?? []));
      });
    }, moment);
  }
}
