/** What the API counts and sums: asked now and then, drawn again when the band or the zone is another one. */
import {
  type Announcement,
  drawBars,
  drawConditions,
  drawHeat,
  drawSun,
  type Sun,
} from "./cards.ts";
import type { Connection } from "./connection.ts";
import { element, putText } from "./dom.ts";
import type { Condition, HourCount } from "./spots.ts";

interface Stats {
  readonly total: { readonly total_spots: number };
  readonly today: { readonly spots_today: number; readonly dx_stations_today: number };
  readonly recent: { readonly spots_last_hour: number; readonly active_spotters: number };
}

interface Top {
  readonly top_spotted: readonly { readonly callsign: string; readonly times_spotted: number }[];
  readonly top_spotters: readonly { readonly callsign: string; readonly spot_count: number }[];
}

interface Solar {
  readonly solar: Sun;
  readonly history: readonly Announcement[];
}

/** What the page around the cards knows and does. */
export interface Surroundings {
  /** The chosen band, "" for all. */
  band(): string;
  chooseBand(band: string): void;
  find(call: string): void;
}

/** Milliseconds without an answer after which "now" is no longer said of what was heard. */
const stale = 5 * 60_000;

export class Reports {
  readonly #connection: Connection;
  readonly #page: Surroundings;
  #conditions: readonly Condition[] | null = null;
  #activity: readonly HourCount[] = [];
  #sun: Solar | null = null;
  #askedAt = 0;

  constructor(connection: Connection, page: Surroundings) {
    this.#connection = connection;
    this.#page = page;
    this.draw();
  }

  /** @param pause milliseconds: not when it was done so short a time ago, unless it failed */
  async refresh(pause = 0): Promise<void> {
    const now = Date.now();
    if (now - this.#askedAt < pause) return;
    this.#askedAt = now;
    const { awaySince } = this.#connection;
    if (awaySince !== null && now - awaySince > stale && this.#conditions !== null) {
      this.#conditions = null;
      this.#drawConditions();
    }
    await Promise.all([
      this.#ask<Stats>("/api/stats", showNumbers),
      this.#ask<{ conditions: Condition[] }>("/api/bands/conditions", ({ conditions }) => {
        this.#conditions = conditions;
        this.#drawConditions();
      }),
      this.#ask<{ activity: HourCount[] }>("/api/activity/bands", ({ activity }) => {
        this.#activity = activity;
        this.#drawHeat();
      }),
      this.#ask<Top>("/api/callsigns/top?limit=14", (top) => {
        const find = (call: string): void => {
          this.#page.find(call);
        };
        drawBars(
          "top",
          top.top_spotted.map((row) => [row.callsign, row.times_spotted] as const),
          find,
        );
        drawBars(
          "spotters",
          top.top_spotters.map((row) => [row.callsign, row.spot_count] as const),
          find,
        );
      }),
      this.#ask<Solar>("/api/solar", (answer) => {
        this.#sun = answer;
        drawSun(answer.solar, answer.history);
      }),
    ]);
  }

  draw(): void {
    this.#drawConditions();
    this.#drawHeat();
    if (this.#sun !== null) drawSun(this.#sun.solar, this.#sun.history);
  }

  async #ask<T>(path: string, show: (answer: T) => void): Promise<void> {
    const answer = await this.#connection.ask<T>(path);
    if (answer === null) this.#askedAt = 0;
    else show(answer);
  }

  #drawConditions(): void {
    drawConditions(this.#conditions, this.#page.band(), (band) => {
      this.#page.chooseBand(band);
    });
  }

  #drawHeat(): void {
    drawHeat(this.#activity, Date.now(), this.#page.band());
  }
}

function showNumbers(stats: Stats): void {
  const put = (id: string, value: number): void => {
    putText(element(id), value.toLocaleString("en"));
  };
  put("n-hour", stats.recent.spots_last_hour);
  put("n-today", stats.today.spots_today);
  put("n-dx", stats.today.dx_stations_today);
  put("n-spotters", stats.recent.active_spotters);
  put("n-total", stats.total.total_spots);
}
