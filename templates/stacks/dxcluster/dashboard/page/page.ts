/** The dashboard: puts the parts together, and draws what changed at most four times a second. */
import { toCsv } from "../../radio/spots-csv.ts";
import { rank, usualBands } from "./bands.ts";
import { Connection, type State } from "./connection.ts";
import { addChoices, element, putText } from "./dom.ts";
import type { WorldMap } from "./map.ts";
import { offerThemes, recall, remember } from "./preferences.ts";
import { Reports } from "./reports.ts";
import {
  type Filter,
  isFiltering,
  matches,
  mergeSpots,
  readFilter,
  searchQueries,
  sortSpots,
  type Spot,
  writeFilter,
} from "./spots.ts";
import { shownRows, SpotTable } from "./table.ts";
import type { Histogram, Waterfall } from "./waterfall.ts";
import { clockOf, clockWithSeconds, isLocal, setLocal, zoneName } from "./zone.ts";

let spots: readonly Spot[] = [];
/** What the API found for the filter, beyond the newest spots. */
let found: readonly Spot[] = [];
let arrived: Spot[] = [];
let fresh = new Set<number>();
let paused = false;
/** The stream was open before. */
let opened = false;
let dirty = true;
let map: WorldMap | null = null;
let waterfall: Waterfall | null = null;

const select = (id: string): HTMLSelectElement => element<HTMLSelectElement>(id);
const textField = element<HTMLInputElement>("f-text");
const peopleField = element<HTMLInputElement>("f-people");

const connection = new Connection({
  spots(more) {
    arrived.push(...more);
    for (const spot of more) fresh.add(spot.id);
  },
  opened() {
    const again = opened;
    opened = true;
    void reports.refresh(5000);
    void begun.then(() => catchUp(again || spots.length === 0 ? shownRows : 50));
    void openBand();
  },
  lost() {
    void catchUp(50);
  },
  changed: showState,
});
const reports = new Reports(connection, {
  band: () => select("f-band").value,
  chooseBand,
  find(call) {
    textField.value = textField.value === call ? "" : call;
    filtered();
  },
});
const table = new SpotTable(() => {
  dirty = true;
  draw();
});

const byFrequency = (a: string, b: string): number => rank(a) - rank(b);
const byName = (a: string, b: string): number => (a < b ? -1 : 1);

// --- the state of the connection ---

const stateText: Record<State, string> = {
  live: "live",
  lost: "connection lost, trying again …",
  polling: "asking every 5 seconds",
  away: "no answer",
  waiting: "connecting …",
};

function showState(): void {
  const { state, awaySince } = connection;
  const shown = element("state");
  shown.dataset["state"] = state;
  const newest = spots.reduce((latest, spot) => Math.max(latest, Date.parse(spot.timestamp)), 0);
  const minutes = Math.floor((Date.now() - newest) / 60_000);
  // A scraper that hears nothing leaves a page that looks alive.
  const silent = state !== "away" && newest > 0 && minutes >= 5;
  putText(
    shown,
    silent ? `${stateText[state]}, the last spot is ${minutes} minutes old` : stateText[state],
  );
  const outage = element("outage");
  if (awaySince !== null)
    putText(
      outage,
      [
        `The API has not answered since ${clockWithSeconds(awaySince)}${isLocal() ? "" : " UTC"}.`,
        ...(spots.length > 0 ? ["What you see is what came last."] : []),
        "This page tries again by itself.",
      ].join(" "),
    );
  outage.hidden = awaySince === null;
}

// --- what the API knows ---

/** The newest spots, as far as they are not here yet. */
async function catchUp(limit = shownRows): Promise<void> {
  const page = await connection.ask<{ spots: Spot[] }>(`/api/spots?limit=${limit}`);
  if (page === null) return;
  const merged = mergeSpots(spots, page.spots);
  if (merged === spots) return;
  if (spots.length > 0) for (const spot of page.spots) fresh.add(spot.id);
  spots = merged;
  dirty = true;
}

/** The waterfall's band: a day as a histogram, an hour spot by spot. */
async function openBand(): Promise<void> {
  const band = select("h-band").value;
  const since = new Date(Date.now() - 3_600_000).toISOString();
  waterfall?.open(band);
  waterfall?.add(spots);
  dirty = true;
  if (waterfall === null) return;
  const [hour] = await Promise.all([
    connection.ask<{ spots: Spot[] }>(`/api/spots?limit=1000&band=${band}&since=${since}`),
    countDay(),
  ]);
  if (hour === null || band !== select("h-band").value) return;
  waterfall.add(hour.spots);
  dirty = true;
}

async function countDay(): Promise<void> {
  const band = select("h-band").value;
  const histogram = await connection.ask<Histogram>(
    `/api/frequency/histogram?bins=100&band=${band}`,
  );
  if (histogram === null || band !== select("h-band").value) return;
  waterfall?.setHistogram(histogram);
  dirty = true;
}

let searching: ReturnType<typeof setTimeout> | undefined;

/** What the filter wants may be older than the newest spots: a moment after the last key the API is asked too. */
function search(): void {
  clearTimeout(searching);
  found = [];
  const wanted = JSON.stringify(filter());
  const queries = searchQueries(filter(), shownRows);
  if (queries.length === 0) return;
  searching = setTimeout(() => {
    void Promise.all(
      queries.map((query) => connection.ask<{ spots: Spot[] }>(`/api/spots?${query}`)),
    ).then((pages) => {
      if (wanted !== JSON.stringify(filter())) return;
      found = pages.flatMap((page) => page?.spots ?? []);
      dirty = true;
    });
  }, 300);
}

// --- drawing ---

function filter(): Filter {
  return {
    band: select("f-band").value,
    mode: select("f-mode").value,
    text: textField.value,
    people: peopleField.checked,
  };
}

function hits(): readonly Spot[] {
  const wanted = filter();
  const all = found.length === 0 ? spots : mergeSpots(spots, found, Number.POSITIVE_INFINITY);
  return isFiltering(wanted) ? all.filter((spot) => matches(spot, wanted)) : all;
}

function draw(): void {
  dirty = false;
  const matching = hits();
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
  const empty =
    spots.length > 0
      ? "no spot matches the filter"
      : connection.state === "away"
        ? "waiting for the API"
        : "no spots yet: they appear here as soon as a cluster node tells of one";
  table.draw(matching, fresh, empty);
  fresh = new Set();
  map?.show(matching, Number(select("map-minutes").value));
  waterfall?.add(spots);
  waterfall?.draw();
  showState();
}

// Drawing follows the data, however fast spots come.
setInterval(() => {
  if (arrived.length > 0) {
    spots = mergeSpots(spots, arrived);
    arrived = [];
    dirty = true;
  }
  if (dirty && !paused && !document.hidden) draw();
  table.fade();
}, 250);

// --- the controls ---

function chooseZone(local: boolean): void {
  setLocal(local);
  element("zone-utc").setAttribute("aria-pressed", String(!local));
  element("zone-local").setAttribute("aria-pressed", String(local));
  for (const shown of document.querySelectorAll<HTMLElement>(".zone-name"))
    putText(shown, zoneName());
  tick();
  reports.draw();
  draw();
}

for (const local of [false, true]) {
  element(local ? "zone-local" : "zone-utc").addEventListener("click", () => {
    remember("zone", local ? "local" : "utc");
    chooseZone(local);
  });
}

/** One band everywhere: table, map, waterfall. */
function chooseBand(band: string): void {
  const list = select("f-band");
  if (band !== "") addChoices("f-band", [band], byFrequency);
  list.value = band;
  filtered();
}

function filtered(): void {
  const band = select("f-band").value;
  if (band !== "" && select("h-band").value !== band) {
    addChoices("h-band", [band], byFrequency);
    select("h-band").value = band;
    void openBand();
  }
  search();
  history.replaceState(null, "", `#${writeFilter(filter())}`);
  reports.draw();
  draw();
}

element("filters").addEventListener("input", filtered);
element("filters").addEventListener("submit", (event) => {
  event.preventDefault();
});

for (const band of usualBands)
  select("h-band").add(new Option(band, band, band === "20m", band === "20m"));
select("h-band").addEventListener("input", () => void openBand());
select("map-minutes").addEventListener("input", draw);

element("pause").addEventListener("click", () => {
  paused = !paused;
  const button = element("pause");
  button.setAttribute("aria-pressed", String(paused));
  putText(button, paused ? "Go on" : "Pause");
});

element("csv").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(
    new Blob([toCsv(sortSpots(hits(), table.order))], { type: "text/csv" }),
  );
  link.download = `spots-${new Date().toISOString().slice(0, 16).replaceAll(":", "")}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
});

function tick(): void {
  const now = Date.now();
  const clock = element<HTMLTimeElement>("clock");
  putText(clock, clockWithSeconds(now));
  clock.dateTime = isLocal() ? clockOf(now) : `${clockOf(now)}Z`;
}

setInterval(tick, 500);
setInterval(() => {
  if (connection.state !== "live") void catchUp();
}, 5000);
setInterval(() => {
  if (document.hidden) return;
  void reports.refresh();
  // The waterfall flows also when nothing comes; and a stream that died without a word is noticed.
  dirty = true;
  void catchUp(50);
}, 15_000);
setInterval(() => {
  if (!document.hidden && waterfall !== null) void countDay();
}, 60_000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void reports.refresh();
});

const asked = readFilter(location.hash.slice(1));
if (asked.band !== "") addChoices("f-band", [asked.band], byFrequency);
if (asked.mode !== "") addChoices("f-mode", [asked.mode], byName);
select("f-band").value = asked.band;
select("f-mode").value = asked.mode;
textField.value = asked.text;
peopleField.checked = asked.people;
offerThemes();
chooseZone(recall("zone") === "local");
if (isFiltering(asked)) filtered();
const begun = catchUp();
void reports.refresh();
connection.listen();

/** Charts and map data come when the page stands. */
async function loadCharts(): Promise<void> {
  try {
    if (waterfall === null) {
      const { Waterfall } = await import("./waterfall.ts");
      waterfall = new Waterfall();
      void openBand();
    }
    const { WorldMap } = await import("./map.ts");
    map = await WorldMap.load();
    draw();
  } catch {
    putText(element("map-count"), "could not be loaded; trying again");
    setTimeout(() => void loadCharts(), 5000);
  }
}

requestAnimationFrame(() => {
  setTimeout(() => void loadCharts(), 0);
});
