/** The waterfall's band: a day as a histogram, an hour spot by spot. The waterfall itself is loaded later than the page. */
import { usualBands } from "./bands.ts";
import type { Connection } from "./connection.ts";
import { addChoices, element } from "./dom.ts";
import { byFrequency } from "./filter-bar.ts";
import type { SpotStore } from "./spot-store.ts";
import type { Spot } from "./spots.ts";
import type { Histogram, Waterfall } from "./waterfall.ts";

export class BandView {
  readonly #connection: Connection;
  readonly #store: SpotStore;
  readonly #changed: () => void;
  readonly #choice = element<HTMLSelectElement>("h-band");
  #waterfall: Waterfall | null = null;

  /** @param changed there is something to draw */
  constructor(connection: Connection, store: SpotStore, changed: () => void) {
    this.#connection = connection;
    this.#store = store;
    this.#changed = changed;
    for (const band of usualBands)
      this.#choice.add(new Option(band, band, band === "20m", band === "20m"));
    this.#choice.addEventListener("input", () => void this.open());
  }

  async load(): Promise<void> {
    if (this.#waterfall !== null) return;
    const { Waterfall } = await import("./waterfall.ts");
    this.#waterfall = new Waterfall();
    void this.open();
  }

  choose(band: string): void {
    if (this.#choice.value === band) return;
    addChoices("h-band", [band], byFrequency);
    this.#choice.value = band;
    void this.open();
  }

  async open(): Promise<void> {
    const band = this.#choice.value;
    const since = new Date(Date.now() - 3_600_000).toISOString();
    this.#waterfall?.open(band);
    this.#waterfall?.add(this.#store.spots);
    this.#changed();
    if (this.#waterfall === null) return;
    const [hour] = await Promise.all([
      this.#connection.ask<{ spots: Spot[] }>(`/api/spots?limit=1000&band=${band}&since=${since}`),
      this.countDay(),
    ]);
    if (hour === null || band !== this.#choice.value) return;
    this.#waterfall.add(hour.spots);
    this.#changed();
  }

  async countDay(): Promise<void> {
    if (this.#waterfall === null) return;
    const band = this.#choice.value;
    const histogram = await this.#connection.ask<Histogram>(
      `/api/frequency/histogram?bins=100&band=${band}`,
    );
    if (histogram === null || band !== this.#choice.value) return;
    this.#waterfall.setHistogram(histogram);
    this.#changed();
  }

  draw(): void {
    this.#waterfall?.add(this.#store.spots);
    this.#waterfall?.draw();
  }
}
