/** The spots the page has, where each came from, and which were not drawn yet. Pure. */
import { type Filter, isFiltering, matches, mergeSpots, type Spot } from "./spots.ts";

export class SpotStore {
  #spots: readonly Spot[] = [];
  /** What the API found for the filter, beyond the newest spots. */
  #found: readonly Spot[] = [];
  #arrived: Spot[] = [];
  #fresh = new Set<number>();

  /** The newest, as far as they were taken in. */
  get spots(): readonly Spot[] {
    return this.#spots;
  }

  /** Epoch milliseconds of the newest; 0 without any. */
  get newest(): number {
    return this.#spots.reduce((latest, spot) => Math.max(latest, Date.parse(spot.timestamp)), 0);
  }

  /** Spots of the stream; they wait for `takeIn`. */
  hear(more: readonly Spot[]): void {
    this.#arrived.push(...more);
    for (const spot of more) this.#fresh.add(spot.id);
  }

  /** @returns whether there was something to take in */
  takeIn(): boolean {
    if (this.#arrived.length === 0) return false;
    this.#spots = mergeSpots(this.#spots, this.#arrived);
    this.#arrived = [];
    return true;
  }

  /** A page of the API's newest. @returns whether it had something new */
  catchUp(page: readonly Spot[]): boolean {
    const merged = mergeSpots(this.#spots, page);
    if (merged === this.#spots) return false;
    if (this.#spots.length > 0) for (const spot of page) this.#fresh.add(spot.id);
    this.#spots = merged;
    return true;
  }

  setFound(found: readonly Spot[]): void {
    this.#found = found;
  }

  hits(wanted: Filter): readonly Spot[] {
    const all =
      this.#found.length === 0
        ? this.#spots
        : mergeSpots(this.#spots, this.#found, Number.POSITIVE_INFINITY);
    return isFiltering(wanted) ? all.filter((spot) => matches(spot, wanted)) : all;
  }

  /** Ids that came since this was asked before. */
  takeFresh(): ReadonlySet<number> {
    const fresh = this.#fresh;
    this.#fresh = new Set();
    return fresh;
  }
}
