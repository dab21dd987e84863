/** Puts the parts together, and draws what changed at most four times a second. */
import { BandView } from "./band-view.ts";
import { Clock } from "./clock.ts";
import { Connection } from "./connection.ts";
import { saveCsv } from "./csv.ts";
import { element, putText } from "./dom.ts";
import { FilterBar } from "./filter-bar.ts";
import { FilterSearch } from "./filter-search.ts";
import type { WorldMap } from "./map.ts";
import { Reports } from "./reports.ts";
import { SpotStore } from "./spot-store.ts";
import { isFiltering, readFilter, sortSpots, type Spot, writeFilter } from "./spots.ts";
import { showState } from "./state-line.ts";
import { shownRows, SpotTable } from "./table.ts";

/** Enough to see what was missed in a moment. */
const fewRows = 50;

export class Dashboard {
  readonly #store = new SpotStore();
  readonly #connection: Connection;
  readonly #filters: FilterBar;
  readonly #search: FilterSearch;
  readonly #reports: Reports;
  readonly #table: SpotTable;
  readonly #band: BandView;
  readonly #clock: Clock;
  readonly #mapMinutes = element<HTMLSelectElement>("map-minutes");
  #map: WorldMap | null = null;
  /** The first page of spots was asked for, and came or did not. */
  #begun: Promise<void> = Promise.resolve();
  #wasOpen = false;
  #isPaused = false;
  #isDirty = true;

  constructor() {
    const draw = (): void => {
      this.#draw();
    };
    const changed = (): void => {
      this.#isDirty = true;
    };
    this.#connection = new Connection({
      spots: (more) => {
        this.#store.hear(more);
      },
      opened: () => {
        this.#opened();
      },
      lost: () => {
        void this.#catchUp(fewRows);
      },
      changed: () => {
        showState(this.#connection, this.#store.newest);
      },
    });
    this.#filters = new FilterBar(() => {
      this.#filtered();
    });
    this.#search = new FilterSearch(this.#connection, (found) => {
      this.#store.setFound(found);
      changed();
    });
    this.#reports = new Reports(this.#connection, {
      band: () => this.#filters.filter.band,
      chooseBand: (band) => {
        this.#filters.chooseBand(band);
        this.#filtered();
      },
      find: (call) => {
        this.#filters.toggleCall(call);
        this.#filtered();
      },
    });
    this.#table = new SpotTable(draw);
    this.#band = new BandView(this.#connection, this.#store, changed);
    this.#clock = new Clock(() => {
      this.#reports.draw();
      this.#draw();
    });
    this.#mapMinutes.addEventListener("input", draw);
    element("pause").addEventListener("click", () => {
      this.#pause();
    });
    element("csv").addEventListener("click", () => {
      saveCsv(sortSpots(this.#store.hits(this.#filters.filter), this.#table.order));
    });
  }

  start(): void {
    const asked = readFilter(location.hash.slice(1));
    this.#filters.show(asked);
    this.#clock.start();
    if (isFiltering(asked)) this.#filtered();
    this.#begun = this.#catchUp(shownRows);
    void this.#reports.refresh();
    this.#connection.listen();
    this.#keepGoing();
    requestAnimationFrame(() => {
      setTimeout(() => void this.#loadCharts(), 0);
    });
  }

  /** Drawing follows the data, however fast spots come; and who hears nothing asks. */
  #keepGoing(): void {
    setInterval(() => {
      if (this.#store.takeIn()) this.#isDirty = true;
      if (this.#isDirty && !this.#isPaused && !document.hidden) this.#draw();
      this.#table.fade();
    }, 250);
    setInterval(() => {
      if (this.#connection.state !== "live") void this.#catchUp(shownRows);
    }, 5000);
    setInterval(() => {
      if (document.hidden) return;
      void this.#reports.refresh();
      // The waterfall flows also when nothing comes; and a stream that died without a word is noticed.
      this.#isDirty = true;
      void this.#catchUp(fewRows);
    }, 15_000);
    setInterval(() => {
      if (!document.hidden) void this.#band.countDay();
    }, 60_000);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void this.#reports.refresh();
    });
  }

  #opened(): void {
    const again = this.#wasOpen;
    this.#wasOpen = true;
    void this.#reports.refresh(5000);
    void this.#begun.then(async () => {
      await this.#catchUp(again || this.#store.spots.length === 0 ? shownRows : fewRows);
    });
    void this.#band.open();
  }

  /** The newest spots, as far as they are not here yet. */
  async #catchUp(limit: number): Promise<void> {
    const page = await this.#connection.ask<{ spots: Spot[] }>(`/api/spots?limit=${limit}`);
    if (page !== null && this.#store.catchUp(page.spots)) this.#isDirty = true;
  }

  /** The filter is another one. A band that is chosen is the waterfall's too. */
  #filtered(): void {
    const { filter } = this.#filters;
    if (filter.band !== "") this.#band.choose(filter.band);
    this.#store.setFound([]);
    this.#search.look(filter);
    history.replaceState(null, "", `#${writeFilter(filter)}`);
    this.#reports.draw();
    this.#draw();
  }

  #pause(): void {
    this.#isPaused = !this.#isPaused;
    const button = element("pause");
    button.setAttribute("aria-pressed", String(this.#isPaused));
    putText(button, this.#isPaused ? "Go on" : "Pause");
  }

  #draw(): void {
    this.#isDirty = false;
    const { spots } = this.#store;
    const matching = this.#store.hits(this.#filters.filter);
    this.#filters.offer(spots);
    this.#table.draw(matching, this.#store.takeFresh(), this.#whyEmpty());
    this.#map?.show(matching, Number(this.#mapMinutes.value));
    this.#band.draw();
    showState(this.#connection, this.#store.newest);
  }

  #whyEmpty(): string {
    if (this.#store.spots.length > 0) return "no spot matches the filter";
    return this.#connection.state === "away"
      ? "waiting for the API"
      : "no spots yet: they appear here as soon as a cluster node tells of one";
  }

  /** Charts and map data come when the page stands. */
  async #loadCharts(): Promise<void> {
    try {
      await this.#band.load();
      const { WorldMap } = await import("./map.ts");
      this.#map = await WorldMap.load();
      this.#draw();
    } catch {
      putText(element("map-count"), "could not be loaded; trying again");
      setTimeout(() => void this.#loadCharts(), 5000);
    }
  }
}
