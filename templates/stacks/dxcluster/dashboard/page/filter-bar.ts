/** The fields of the filter. */
import { rank } from "./bands.ts";
import { addChoices, element } from "./dom.ts";
import type { Filter, Spot } from "./spots.ts";

export const byFrequency = (a: string, b: string): number => rank(a) - rank(b);
const byName = (a: string, b: string): number => (a < b ? -1 : 1);

export class FilterBar {
  readonly #band = element<HTMLSelectElement>("f-band");
  readonly #mode = element<HTMLSelectElement>("f-mode");
  readonly #text = element<HTMLInputElement>("f-text");
  readonly #people = element<HTMLInputElement>("f-people");

  /** @param changed somebody changed a field */
  constructor(changed: () => void) {
    element("filters").addEventListener("input", changed);
    element("filters").addEventListener("submit", (event) => {
      event.preventDefault();
    });
  }

  get filter(): Filter {
    return {
      band: this.#band.value,
      mode: this.#mode.value,
      text: this.#text.value,
      people: this.#people.checked,
    };
  }

  show({ band, mode, text, people }: Filter): void {
    this.chooseBand(band);
    if (mode !== "") addChoices("f-mode", [mode], byName);
    this.#mode.value = mode;
    this.#text.value = text;
    this.#people.checked = people;
  }

  /** @param band "" for all */
  chooseBand(band: string): void {
    if (band !== "") addChoices("f-band", [band], byFrequency);
    this.#band.value = band;
  }

  /** Looks for a callsign, or no longer. */
  toggleCall(call: string): void {
    this.#text.value = this.#text.value === call ? "" : call;
  }

  /** Bands and modes that were heard can be chosen. */
  offer(spots: readonly Spot[]): void {
    addChoices(
      "f-band",
      spots.flatMap((spot) => spot.band ?? []),
      byFrequency,
    );
    addChoices(
      "f-mode",
      spots.flatMap((spot) => spot.mode ?? []),
      byName,
    );
  }
}
