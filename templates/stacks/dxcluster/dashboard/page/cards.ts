/** Draws the cards that come as numbers: conditions, sun, heat, lists. Knows the document, keeps no state. */
import { withUsual } from "./bands.ts";
import { element, make, putText, svg } from "./dom.ts";
import {
  type Condition,
  type HourCount,
  levelOf,
  makeHeat,
  sayConditions,
  shadeOf,
  wordOfK,
} from "./spots.ts";
import { clockOf, dayOf } from "./zone.ts";

function sayCondition(condition: Condition | undefined): string {
  const level = levelOf(condition);
  if (level === "green") return "voice";
  if (level === "red") return "nothing";
  return condition?.voice_count === 1 ? "one voice" : "CW, digital";
}

/**
 * @param conditions null while nobody has told yet: then nothing is claimed
 * @param choose called with the band whose tile was pressed, "" when it was the chosen one
 */
export function drawConditions(
  conditions: readonly Condition[] | null,
  chosen: string,
  choose: (band: string) => void,
): void {
  const list = element("conditions");
  const found = new Map((conditions ?? []).map((condition) => [condition.band, condition]));
  const bands = withUsual([...found.keys()]);
  // The buttons stay: whoever is on one with the keyboard must not lose it.
  const there = new Map(
    [...list.querySelectorAll<HTMLElement>("li")].map((item) => [item.dataset["band"], item]),
  );
  const tiles = bands.map((band) => ({ band, tile: there.get(band) ?? makeTile(band, choose) }));
  if (bands.length !== there.size) list.replaceChildren(...tiles.map(({ tile }) => tile));
  for (const { band, tile } of tiles) {
    const condition = found.get(band);
    const level = conditions === null ? "unknown" : levelOf(condition);
    const spots = condition?.spot_count ?? 0;
    tile.dataset["level"] = level;
    tile.querySelector("button")?.setAttribute("aria-pressed", String(band === chosen));
    for (const word of tile.querySelectorAll<HTMLElement>(".word"))
      putText(word, conditions === null ? "…" : sayCondition(condition));
    for (const count of tile.querySelectorAll<HTMLElement>(".spot-count"))
      putText(
        count,
        conditions === null
          ? ""
          : `${spots.toLocaleString("en")} ${spots === 1 ? "spot" : "spots"}`,
      );
  }
}

function makeTile(band: string, choose: (band: string) => void): HTMLElement {
  const item = make("li");
  item.dataset["band"] = band;
  const button = make("button");
  button.setAttribute("type", "button");
  button.append(
    make("span", band, "band-name"),
    make("span", "", "word"),
    make("span", "", "spot-count"),
  );
  button.addEventListener("click", () => {
    choose(button.getAttribute("aria-pressed") === "true" ? "" : band);
  });
  item.append(button);
  return item;
}

export interface Sun {
  readonly timestamp: string | null;
  readonly solar_flux: number | null;
  readonly a_index: number | null;
  readonly k_index: number | null;
  readonly sunspot_number: number | null;
  readonly conditions: string | null;
}

/** Newest first, as the API has them. */
export interface Announcement {
  readonly timestamp: string;
  readonly sunspot_number: number | null;
  readonly k_index: number | null;
}

export function drawSun(sun: Sun, history: readonly Announcement[]): void {
  const put = (id: string, value: number | null): void => {
    putText(element(id), value === null ? "–" : String(value));
  };
  put("sfi", sun.solar_flux);
  put("a-index", sun.a_index);
  put("k-index", sun.k_index);
  // WWV has no sunspot number, WCY does: what was said last holds.
  const counted = history.find((row) => row.sunspot_number !== null);
  put("ssn", sun.sunspot_number ?? counted?.sunspot_number ?? null);
  const judged = sun.k_index === null ? null : wordOfK(sun.k_index);
  element("k-index").dataset["level"] = judged?.level ?? "";
  const parts = [
    judged === null ? "" : `geomagnetic ${judged.level === "red" ? "" : "field "}${judged.word}`,
    sayConditions(sun.conditions ?? ""),
    sun.timestamp === null ? "" : clockOf(sun.timestamp),
  ];
  putText(
    element("sun-note"),
    sun.timestamp === null
      ? "no announcement yet"
      : parts.filter((part) => part !== "").join(" · "),
  );
  element("sun-note").title = element("sun-note").textContent;
  drawKHistory(history);
}

/** The last 24 announcements that name K, oldest first. */
function drawKHistory(history: readonly Announcement[]): void {
  const shown = history
    .filter((row) => row.k_index !== null)
    .slice(0, 24)
    .reverse();
  const box = element("k-history");
  const picture = svg("svg", { viewBox: "0 0 96 27", "aria-hidden": "true" });
  // Above this line it storms.
  const storm = svg("line", { x1: 0, x2: 95, y1: 13.5, y2: 13.5 });
  storm.setAttribute("class", "k-storm");
  if (shown.length > 0) picture.append(storm);
  shown.forEach((row, index) => {
    const k = row.k_index ?? 0;
    const height = Math.max(1, Math.min(9, k) * 3);
    const title = `${dayOf(row.timestamp)} ${clockOf(row.timestamp)}: K ${k}`;
    const bar = svg(
      "rect",
      { x: (24 - shown.length + index) * 4, y: 27 - height, width: 3, height, rx: 0.8 },
      title,
    );
    bar.setAttribute("class", `k-${wordOfK(k).level}`);
    picture.append(bar);
  });
  box.replaceChildren(picture);
  const oldest = shown[0];
  putText(element("k-span"), oldest === undefined ? "" : `K since ${dayOf(oldest.timestamp)}`);
  const values = shown.map((row) => row.k_index ?? 0);
  box.setAttribute(
    "aria-label",
    values.length === 0
      ? "No K index yet"
      : `K index of the last ${values.length} announcements, from ${Math.min(...values)} to ${Math.max(...values)}`,
  );
}

export function drawHeat(counts: readonly HourCount[], now: number, chosen: string): void {
  const heat = makeHeat(counts, withUsual(counts.map((row) => row.band)), now);
  const head = make("thead");
  const hours = make("tr");
  const corner = make("th", "Band");
  corner.setAttribute("scope", "col");
  hours.append(corner);
  for (const hour of heat.hours) {
    const cell = make("th", clockOf(hour).slice(0, 2));
    cell.setAttribute("scope", "col");
    hours.append(cell);
  }
  const sum = make("th", "Sum", "sum");
  sum.setAttribute("scope", "col");
  hours.append(sum);
  head.append(hours);

  const body = make("tbody");
  for (const { band, counts: row } of heat.rows) {
    const line = make("tr", "", band === chosen ? "chosen" : "");
    const name = make("th", band);
    name.setAttribute("scope", "row");
    line.append(
      name,
      ...row.map((count, index) => makeHeatCell(band, heat.hours[index] ?? 0, count, heat.most)),
    );
    line.append(
      make("td", row.reduce((total, count) => total + count, 0).toLocaleString("en"), "sum"),
    );
    body.append(line);
  }

  const foot = make("tfoot");
  const line = make("tr");
  const name = make("th", "All");
  name.setAttribute("scope", "row");
  line.append(name);
  const mostTotal = Math.max(1, ...heat.totals);
  heat.totals.forEach((total, index) => {
    const cell = make("td", "", "total");
    const bar = make("span", "", "total-bar");
    bar.style.height = `${Math.round((total / mostTotal) * 100)}%`;
    cell.title = `${clockOf(heat.hours[index] ?? 0)}: ${total} spots on all bands`;
    cell.append(bar, make("span", String(total), "unseen"));
    line.append(cell);
  });
  const all = heat.totals.reduce((total, count) => total + count, 0);
  line.append(make("td", all.toLocaleString("en"), "sum"));
  foot.append(line);
  putText(
    element("heat-most"),
    `${heat.most.toLocaleString("en")} ${heat.most === 1 ? "spot" : "spots"} an hour`,
  );
  element("heat-legend").hidden = heat.most === 0;
  const table = element("heat");
  const first = table.childElementCount === 0;
  table.replaceChildren(
    make("caption", "Spots by band and hour, last 24 hours", "unseen"),
    head,
    body,
    foot,
  );
  // Where the day does not fit, its end is what matters.
  if (first && table.parentElement !== null) table.parentElement.scrollLeft = table.scrollWidth;
}

function makeHeatCell(band: string, hour: number, count: number, most: number): HTMLElement {
  const cell = make("td");
  cell.dataset["shade"] = String(shadeOf(count, most));
  cell.title = `${band}, ${clockOf(hour)}: ${count} ${count === 1 ? "spot" : "spots"}`;
  cell.append(make("span", String(count), "unseen"));
  return cell;
}

/** @param find called with the callsign that was pressed */
export function drawBars(
  id: string,
  rows: readonly (readonly [string, number])[],
  find: (call: string) => void,
): void {
  const list = element(id);
  const most = Math.max(1, ...rows.map(([, value]) => value));
  // Whoever is on a callsign with the keyboard stays on it.
  const there = new Map(
    [...list.querySelectorAll("button")].map((button) => [button.textContent, button]),
  );
  const focused = document.activeElement;
  list.replaceChildren(
    ...rows.map(([name, value]) => {
      const item = make("li");
      const call = there.get(name) ?? makeCall(name, find);
      const bar = make("span", "", "bar-track");
      const fill = make("span", "", "bar-fill");
      fill.style.width = `${Math.round((value / most) * 1000) / 10}%`;
      bar.append(fill);
      item.append(call, bar, make("span", value.toLocaleString("en"), "value"));
      return item;
    }),
  );
  if (rows.length === 0) list.append(make("li", "nobody yet", "none note"));
  if (focused instanceof HTMLElement && list.contains(focused)) focused.focus();
}

function makeCall(name: string, find: (call: string) => void): HTMLButtonElement {
  const call = make("button", name, "call") as HTMLButtonElement;
  call.type = "button";
  call.title = `Find ${name}`;
  call.addEventListener("click", () => {
    find(name);
  });
  return call;
}
