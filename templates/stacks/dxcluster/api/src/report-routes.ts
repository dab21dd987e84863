/** The endpoints of what is counted and summed: bands, hours, callsigns, frequencies, the sun. */
import { catalogue } from "./catalogue.ts";
import type { Database } from "./database.ts";
import type { KeptRoutes } from "./kept-routes.ts";
import type { PrefixRow } from "./places.ts";
import { prefixesQuery } from "./queries.ts";
import * as reports from "./reports.ts";

interface Bin {
  readonly low: number;
  readonly high: number;
  readonly total: number;
  readonly bin_number: number;
}

type Row = Readonly<Record<string, unknown>>;

export function addReportRoutes(routes: KeptRoutes, database: Database): void {
  routes.get(catalogue.stats, 5, async () => {
    const [row] = await database.rows<Row>(reports.statsQuery(new Date()));
    return describeStats(row);
  });

  addBandRoutes(routes, database);

  routes.get(catalogue.top_callsigns, 10, async (wanted) => {
    const now = new Date();
    return {
      ...(wanted.category === "spotted"
        ? {}
        : { top_spotters: await database.rows(reports.topSpottersQuery(wanted, now)) }),
      ...(wanted.category === "spotters"
        ? {}
        : { top_spotted: await database.rows(reports.topSpottedQuery(wanted, now)) }),
    };
  });

  routes.get(catalogue.solar, 10, async (wanted) => {
    const history = await database.rows<Row>(reports.solarQuery(wanted, new Date()));
    return { solar: newestIndices(history), history, hours: wanted.hours };
  });

  routes.get(catalogue.prefixes, 3600, async () => {
    const rows = await database.rows<PrefixRow>(prefixesQuery);
    return {
      prefixes: rows.map(({ latitude: lat, longitude: lon, ...row }) => ({ ...row, lat, lon })),
      count: rows.length,
    };
  });
}

function addBandRoutes(routes: KeptRoutes, database: Database): void {
  routes.get(catalogue.bands, 10, async (wanted) => ({
    bands: await database.rows(reports.bandsQuery(wanted, new Date())),
  }));

  routes.get(catalogue.band_conditions, 5, async ({ minutes }) => ({
    conditions: await database.rows(reports.conditionsQuery(minutes, new Date())),
    minutes,
  }));

  routes.get(catalogue.frequency_histogram, 10, async (wanted) =>
    describeHistogram(
      await database.rows<Bin>(reports.histogramQuery(wanted, new Date())),
      wanted.bins,
    ),
  );

  routes.get(catalogue.hourly_activity, 10, async ({ hours }) => ({
    activity: await database.rows(reports.hourlyQuery(hours, new Date())),
    hours,
  }));

  routes.get(catalogue.band_activity, 10, async ({ hours }) => ({
    activity: await database.rows(reports.bandActivityQuery(hours, new Date())),
    hours,
  }));
}

function describeStats(row: Row | undefined): object {
  const pick = (...names: string[]): object =>
    Object.fromEntries(names.map((name) => [name, row?.[name] ?? null]));
  return {
    total: pick(
      "total_spots",
      "unique_dx_stations",
      "unique_spotters",
      "earliest_spot",
      "latest_spot",
    ),
    today: pick("spots_today", "dx_stations_today", "spotters_today"),
    recent: pick("spots_last_hour", "active_spotters"),
  };
}

function describeHistogram(rows: readonly Bin[], bins: number): object {
  const [first] = rows;
  if (first === undefined) return { histogram: [], bins: 0, total_spots: 0 };
  const width = (first.high - first.low) / bins;
  return {
    histogram: rows.map(({ low, high: _high, total: _total, ...bin }) => ({
      ...bin,
      center_freq: Math.round((low + (bin.bin_number + 0.5) * width) * 1000) / 1000,
    })),
    bins,
    bin_width: width,
    frequency_range: { min: first.low, max: first.high },
    total_spots: first.total,
  };
}

/** Each index from the newest announcement that names it: WWV has no sunspot number, WCY has. */
function newestIndices(history: readonly Row[]): object {
  const names = ["timestamp", "solar_flux", "a_index", "k_index", "sunspot_number", "conditions"];
  return Object.fromEntries(
    names.map((name) => [name, history.find((row) => row[name] !== null)?.[name] ?? null]),
  );
}
