/** The table of spots: sorted, filtered, with a row a spot that stays the same element while it is shown. */
import { bandColour } from "./bands.ts";
import { element, make, putText } from "./dom.ts";
import { type Order, type SortKey, type Spot, sortSpots, styleOf } from "./spots.ts";
import { clockOf, dayOf, isLocal } from "./zone.ts";

export const shownRows = 500;
/** Milliseconds. */
const glow = 2000;

const columns: readonly { readonly key: SortKey; readonly name: string }[] = [
  { key: "time", name: "Time" },
  { key: "frequency", name: "kHz" },
  { key: "dx", name: "DX" },
  { key: "country", name: "Country" },
  { key: "mode", name: "Mode" },
  { key: "comment", name: "Comment" },
  { key: "spotter", name: "Spotter" },
];

export class SpotTable {
  #order: Order = { key: "time", descending: true };
  #rows = new Map<number, HTMLElement>();
  /** Rows that are marked as new, and since when (milliseconds of `performance.now`). */
  #fresh = new Map<HTMLElement, number>();
  #zone = "";

  constructor(changed: () => void) {
    element("columns").replaceChildren(
      ...columns.map(({ key, name }) => {
        const head = make("th", "", key);
        head.setAttribute("scope", "col");
        const button = make("button", name);
        button.setAttribute("type", "button");
        button.addEventListener("click", () => {
          const descending = this.#order.key === key ? !this.#order.descending : key === "time";
          this.#order = { key, descending };
          this.#showOrder();
          element("scroll").scrollTop = 0;
          changed();
        });
        head.append(button);
        return head;
      }),
    );
    this.#showOrder();
  }

  get order(): Order {
    return this.#order;
  }

  /**
   * @param hits the spots that match, in any order
   * @param fresh ids that came since the last drawing: they are marked for a moment
   * @param empty said when there is nothing to show
   */
  draw(hits: readonly Spot[], fresh: ReadonlySet<number>, empty: string): void {
    // A row's clock and day depend on the zone and on what day it is.
    const zone = `${isLocal()} ${dayOf(Date.now())}`;
    if (zone !== this.#zone) {
      this.#rows.clear();
      this.#zone = zone;
      putText(
        element("columns").querySelector(".time button") as HTMLElement,
        isLocal() ? "Local" : "UTC",
      );
    }
    const shown = sortSpots(hits, this.#order).slice(0, shownRows);
    const rows = new Map(
      shown.map((spot) => [spot.id, this.#rows.get(spot.id) ?? this.#make(spot, fresh)]),
    );
    this.#rows = rows;
    place(element("rows"), [...rows.values()]);
    const all = `${hits.length.toLocaleString("en")} ${hits.length === 1 ? "spot" : "spots"}`;
    putText(element("count"), hits.length > shownRows ? `${shownRows} of ${all}` : all);
    const note = element("empty");
    note.hidden = hits.length > 0;
    putText(note, empty);
  }

  #make(spot: Spot, fresh: ReadonlySet<number>): HTMLElement {
    const row = makeRow(spot);
    if (fresh.has(spot.id)) {
      row.dataset["fresh"] = "1";
      this.#fresh.set(row, performance.now());
    }
    return row;
  }

  /**
   * What is new fades in two steps. In steps, because an animation would have the browser paint the whole table sixty times a
   * second for as long as spots come.
   */
  fade(): void {
    const now = performance.now();
    for (const [row, since] of this.#fresh) {
      if (now - since < glow) continue;
      if (now - since < 2 * glow) row.dataset["fresh"] = "2";
      else {
        delete row.dataset["fresh"];
        this.#fresh.delete(row);
      }
    }
  }

  #showOrder(): void {
    columns.forEach(({ key }, index) => {
      const head = element("columns").children[index];
      if (key !== this.#order.key) head?.removeAttribute("aria-sort");
      else head?.setAttribute("aria-sort", this.#order.descending ? "descending" : "ascending");
    });
  }
}

/** Puts the rows in place without touching those that are there already: what somebody selected stays selected. */
function place(body: HTMLElement, rows: readonly HTMLElement[]): void {
  const wanted = new Set<Element>(rows);
  for (const row of [...body.children]) if (!wanted.has(row)) row.remove();
  let next = body.firstElementChild;
  for (const row of rows) {
    if (row === next) next = next.nextElementSibling;
    else body.insertBefore(row, next);
  }
}

function makeRow(spot: Spot): HTMLElement {
  const row = make("tr");
  const clock = clockOf(spot.timestamp);
  const day = dayOf(spot.timestamp);
  const frequency = make("td", "", "frequency");
  const dot = make("span", "", "dot");
  dot.style.background = bandColour(spot.band);
  dot.title = spot.band ?? "outside the bands";
  frequency.append(
    dot,
    Number(spot.frequency).toFixed(1),
    make("span", ` ${spot.band ?? ""}`, "band"),
  );
  const mode = make("td", spot.mode ?? "", "mode");
  mode.dataset["style"] = styleOf(spot.mode);
  const comment = make("td", spot.comment ?? "", "comment");
  comment.title = spot.comment ?? "";
  const country = make("td", spot.dx_country ?? "", "country");
  country.title = spot.dx_country ?? "";
  row.append(
    make("td", day === dayOf(Date.now()) ? clock : `${day} ${clock}`, "time"),
    frequency,
    make("td", spot.dx_call, "dx"),
    country,
    mode,
    comment,
    make("td", spot.spotter_call, "spotter"),
  );
  return row;
}
