/** The dashboard: asks the API of the place it came from, hears new spots by server-sent events, says when the API is away. */
import { toCsv } from "../../radio/spots-csv.ts";
import { drawBars, drawColumns, drawConditions, element, make, rank, shownBands } from "./draw.ts";
import { type Filter, matches, mergeSpots, type Spot } from "./spots.ts";

const shownRows = 200;

let spots: readonly Spot[] = [];
let paused = false;
let local = localStorage.getItem("zone") === "local";
let dirty = true;
let fresh = new Set<number>();
let drawnHours: readonly Hour[] = [];

// --- the connection ---

type State = "live" | "polling" | "away" | "waiting";
const stateText: Record<State, string> = {
  live: "live",
  polling: "asking every 5 seconds",
  away: "the API does not answer",
  waiting: "connecting …",
};

let streaming = false;
let answering = true;

function showState(): void {
  const state: State = streaming
    ? "live"
    : answering
      ? spots.length === 0
        ? "waiting"
        : "polling"
      : "away";
  const shown = element("state");
  const newest = spots.reduce((latest, spot) => Math.max(latest, Date.parse(spot.timestamp)), 0);
  const minutes = Math.floor((Date.now() - newest) / 60_000);
  // A scraper that hears nothing leaves a page that looks alive.
  const text =
    newest > 0 && minutes >= 5
      ? `${stateText[state]}, the last spot is ${minutes} minutes old`
      : stateText[state];
  shown.dataset["state"] = state;
  if (shown.textContent !== text) shown.textContent = text;
  element("outage").hidden = state !== "away";
}

async function ask<T>(path: string): Promise<T | null> {
  try {
    const response = await fetch(path, {
      signal: AbortSignal.timeout(8000),
      headers: { accept: "application/json" },
    });
    if (!response.ok) throw new Error(String(response.status));
    const body = (await response.json()) as T;
    answering = true;
    return body;
  } catch {
    answering = false;
    return null;
  } finally {
    showState();
  }
}

function take(arrived: readonly Spot[], mark: boolean): void {
  const merged = mergeSpots(spots, arrived);
  if (merged === spots) return;
  spots = merged;
  if (mark) for (const spot of arrived) fresh.add(spot.id);
  dirty = true;
}

async function catchUp(mark: boolean): Promise<void> {
  const page = await ask<{ spots: Spot[] }>("/api/spots?limit=500");
  if (page !== null) take(page.spots, mark);
}

function listen(): void {
  const source = new EventSource("/api/spots/stream");
  source.addEventListener("open", () => {
    streaming = true;
    answering = true;
    showState();
    void refresh();
    void catchUp(true);
  });
  source.addEventListener("spot", (event) => {
    take([JSON.parse((event as MessageEvent<string>).data) as Spot], true);
  });
  source.addEventListener("error", () => {
    streaming = false;
    showState();
    // The browser gives up after an answer that is no stream (a proxy's 502); it does not after a lost connection.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  });
}

// --- the numbers ---

interface Hour {
  readonly hour: string;
  readonly spot_count: number;
}
interface Stats {
  readonly total: { readonly total_spots: number };
  readonly today: { readonly spots_today: number; readonly dx_stations_today: number };
  readonly recent: { readonly spots_last_hour: number; readonly active_spotters: number };
}
interface Sun {
  readonly solar: Readonly<
    Record<
      "timestamp" | "solar_flux" | "a_index" | "k_index" | "sunspot_number" | "conditions",
      string | number | null
    >
  >;
}

async function refresh(): Promise<void> {
  void refreshHistogram();
  const [stats, bands, hours, top, sun] = await Promise.all([
    ask<Stats>("/api/stats"),
    ask<{ bands: { band: string; spot_count: number }[] }>("/api/bands?hours=24"),
    ask<{ activity: Hour[] }>("/api/activity/hourly?hours=24"),
    ask<{ top_spotted: { callsign: string; times_spotted: number }[] }>(
      "/api/callsigns/top?limit=10&category=spotted",
    ),
    ask<Sun>("/api/solar"),
  ]);
  if (stats !== null) {
    const put = (id: string, value: number): void => {
      element(id).textContent = value.toLocaleString("en");
    };
    put("n-hour", stats.recent.spots_last_hour);
    put("n-today", stats.today.spots_today);
    put("n-dx", stats.today.dx_stations_today);
    put("n-spotters", stats.recent.active_spotters);
    put("n-total", stats.total.total_spots);
  }
  if (bands !== null)
    drawBars(
      "activity",
      bands.bands.slice(0, 12).map((row) => [row.band, row.spot_count] as const),
    );
  if (top !== null)
    drawBars(
      "top",
      top.top_spotted.map((row) => [row.callsign, row.times_spotted] as const),
    );
  if (hours !== null) {
    drawnHours = hours.activity;
    drawHours();
  }
  if (sun !== null) {
    const { solar } = sun;
    const put = (id: string, value: string | number | null): void => {
      element(id).textContent = value === null ? "–" : String(value);
    };
    put("sfi", solar.solar_flux);
    put("a-index", solar.a_index);
    put("k-index", solar.k_index);
    put("ssn", solar.sunspot_number);
    element("solar-note").textContent =
      solar.timestamp === null
        ? "no announcement yet"
        : `${clockOf(String(solar.timestamp))} ${solar.conditions ?? ""}`;
  }
  drawConditions(spots, Date.now());
}

function drawHours(): void {
  const count = new Map(drawnHours.map((row) => [Date.parse(row.hour), row.spot_count]));
  const hour = 3_600_000;
  const thisHour = Math.floor(Date.now() / hour) * hour;
  const slots = Array.from({ length: 24 }, (_, index) => thisHour - (23 - index) * hour);
  drawColumns(
    "hours",
    slots.map((slot, index) => {
      const clock = clockOf(new Date(slot).toISOString());
      const value = count.get(slot) ?? 0;
      return {
        value,
        title: `${clock}: ${value} spots`,
        label: index % 4 === 3 ? clock.slice(0, 2) : "",
      };
    }),
    `Spots by hour, ${count.get(thisHour) ?? 0} in this hour`,
  );
}

interface Histogram {
  readonly histogram: readonly {
    readonly bin_number: number;
    readonly spot_count: number;
    readonly center_freq: number;
  }[];
  readonly frequency_range?: { readonly min: number; readonly max: number };
  readonly bin_width?: number;
}

const bins = 40;

async function refreshHistogram(): Promise<void> {
  const band = element<HTMLSelectElement>("h-band").value;
  const answer = await ask<Histogram>(`/api/frequency/histogram?bins=${bins}&band=${band}`);
  if (answer === null) return;
  const { min = 0 } = answer.frequency_range ?? {};
  const width = answer.bin_width ?? 0;
  const count = new Map(answer.histogram.map((bin) => [bin.bin_number, bin.spot_count]));
  drawColumns(
    "frequencies",
    Array.from({ length: answer.histogram.length === 0 ? 0 : bins }, (_, bin) => {
      const value = count.get(bin) ?? 0;
      const low = min + bin * width;
      const label = bin % 10 === 5 ? (low + width / 2).toFixed(0) : "";
      return {
        value,
        title: `${low.toFixed(1)} to ${(low + width).toFixed(1)} kHz: ${value} spots`,
        label,
      };
    }),
    `Spots by frequency on ${band}`,
  );
}

// --- the table ---

function filter(): Filter {
  return {
    band: element<HTMLSelectElement>("f-band").value,
    mode: element<HTMLSelectElement>("f-mode").value,
    text: element<HTMLInputElement>("f-text").value,
    people: element<HTMLInputElement>("f-people").checked,
  };
}

function clockOf(time: string): string {
  const date = new Date(time);
  const [hour, minute] = local
    ? [date.getHours(), date.getMinutes()]
    : [date.getUTCHours(), date.getUTCMinutes()];
  return `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`;
}

function drawTable(): void {
  const wanted = filter();
  const hits = spots.filter((spot) => matches(spot, wanted));
  element("rows").replaceChildren(
    ...hits.slice(0, shownRows).map((spot) => {
      const row = document.createElement("tr");
      if (fresh.has(spot.id)) row.className = "fresh";
      row.append(
        make("td", clockOf(spot.timestamp), "time"),
        make("td", Number(spot.frequency).toFixed(1), "right"),
        make("td", spot.dx_call, "dx"),
        make("td", spot.mode ?? ""),
        make("td", spot.band ?? ""),
        make("td", spot.comment ?? "", "comment"),
        make("td", spot.spotter_call),
      );
      return row;
    }),
  );
  element("count").textContent =
    hits.length > shownRows ? `${shownRows} of ${hits.length} shown` : `${hits.length}`;
  const empty = element("empty");
  empty.hidden = hits.length > 0;
  empty.textContent = spots.length === 0 ? "no spots yet" : "no spot matches the filter";
  fillChoices(
    "f-band",
    [...new Set(spots.flatMap((spot) => spot.band ?? []))].sort((a, b) => rank(a) - rank(b)),
  );
  fillChoices("f-mode", [...new Set(spots.flatMap((spot) => spot.mode ?? []))].sort());
}

function fillChoices(id: string, names: readonly string[]): void {
  const select = element<HTMLSelectElement>(id);
  const there = new Set([...select.options].map((option) => option.value));
  for (const name of names) if (!there.has(name)) select.append(new Option(name, name));
}

// Drawing follows the data at most four times a second, however fast spots come.
setInterval(() => {
  if (!dirty || paused || document.hidden) return;
  dirty = false;
  drawTable();
  drawConditions(spots, Date.now());
  showState();
  if (fresh.size > 0) {
    const shown = fresh;
    fresh = new Set();
    setTimeout(() => {
      for (const row of document.querySelectorAll("tr.fresh")) row.classList.remove("fresh");
      shown.clear();
    }, 2000);
  }
}, 250);

// --- the controls ---

function showZone(): void {
  const name = local ? Intl.DateTimeFormat().resolvedOptions().timeZone : "UTC";
  const button = element("zone");
  button.textContent = local ? "local" : "UTC";
  button.setAttribute("aria-pressed", String(local));
  element("zone-name").textContent = name;
  element("h-time").textContent = local ? "Local" : "UTC";
  dirty = true;
  drawHours();
}

element("zone").addEventListener("click", () => {
  local = !local;
  localStorage.setItem("zone", local ? "local" : "utc");
  showZone();
});

const themed = localStorage.getItem("theme");
if (themed !== null) document.documentElement.dataset["theme"] = themed;
element("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark =
    root.dataset["theme"] === undefined
      ? matchMedia("(prefers-color-scheme: dark)").matches
      : root.dataset["theme"] === "dark";
  root.dataset["theme"] = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset["theme"]);
});

const histogramBand = element<HTMLSelectElement>("h-band");
for (const band of shownBands)
  histogramBand.append(new Option(band, band, band === "20m", band === "20m"));
histogramBand.addEventListener("input", () => void refreshHistogram());

element("pause").addEventListener("click", () => {
  paused = !paused;
  const button = element("pause");
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? "Go on" : "Pause";
});

element("csv").addEventListener("click", () => {
  const wanted = filter();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(
    new Blob([toCsv(spots.filter((spot) => matches(spot, wanted)))], { type: "text/csv" }),
  );
  link.download = `spots-${new Date().toISOString().slice(0, 16).replaceAll(":", "")}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
});

element("filters").addEventListener("input", () => {
  drawTable();
});
element("filters").addEventListener("submit", (event) => {
  event.preventDefault();
});

setInterval(() => {
  const now = new Date();
  const [hour, minute, second] = local
    ? [now.getHours(), now.getMinutes(), now.getSeconds()]
    : [now.getUTCHours(), now.getUTCMinutes(), now.getUTCSeconds()];
  element("clock").textContent = [hour, minute, second]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}, 500);

setInterval(() => {
  if (!streaming) void catchUp(true);
}, 5000);
setInterval(() => {
  if (!document.hidden) void refresh();
}, 15_000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void refresh();
});

showZone();
void catchUp(false);
void refresh();
listen();
