/** The clock, and the choice of the zone in which it and everything else is shown. */
import { element, putText } from "./dom.ts";
import { recall, remember } from "./preferences.ts";
import { clockOf, clockWithSeconds, isLocal, setLocal, zoneName } from "./zone.ts";

export class Clock {
  readonly #changed: () => void;

  /** @param changed the zone is another one */
  constructor(changed: () => void) {
    this.#changed = changed;
    for (const local of [false, true]) {
      element(local ? "zone-local" : "zone-utc").addEventListener("click", () => {
        remember("zone", local ? "local" : "utc");
        this.#choose(local);
      });
    }
  }

  start(): void {
    this.#choose(recall("zone") === "local");
    setInterval(tick, 500);
  }

  #choose(local: boolean): void {
    setLocal(local);
    element("zone-utc").setAttribute("aria-pressed", String(!local));
    element("zone-local").setAttribute("aria-pressed", String(local));
    for (const shown of document.querySelectorAll<HTMLElement>(".zone-name"))
      putText(shown, zoneName());
    tick();
    this.#changed();
  }
}

function tick(): void {
  const now = Date.now();
  const clock = element<HTMLTimeElement>("clock");
  putText(clock, clockWithSeconds(now));
  clock.dateTime = isLocal() ? clockOf(now) : `${clockOf(now)}Z`;
}
