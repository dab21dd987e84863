/** The endpoints: the paths, parameters and field names users of the DX Cluster API know. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { toCsv } from "../../radio/spots-csv.ts";
import { type Said, say, sayJson, send } from "./answer.ts";
import { catalogue, summarize } from "./catalogue.ts";
import { clientOf } from "./clients.ts";
import type { Database } from "./database.ts";
import { docsPage, docsPolicy } from "./docs-page.ts";
import { Memo } from "./memo.ts";
import { describeApi, type Endpoint } from "./openapi.ts";
import { readParameters, type Values } from "./parameters.ts";
import { prefixesQuery, recentQuery, type SpotRow } from "./queries.ts";
import * as reports from "./reports.ts";
import { withOrder } from "./requests.ts";
import { SpotSearch } from "./search.ts";
import type { SpotStream } from "./stream.ts";
import type { PrefixRow } from "./places.ts";

export interface Parts {
  readonly database: Database;
  readonly stream: SpotStream;
  /** A row as users see it. */
  readonly show: (row: SpotRow) => object;
  readonly version: string;
}

/** Every answer may be read by pages of other sites: there is nothing in it that is not public. */
export const openToAll = { "access-control-allow-origin": "*" } as const;

export function addRoutes(app: FastifyInstance, { database, stream, show, version }: Parts): void {
  const memo = new Memo();
  const search = new SpotSearch(database, memo);

  /** A GET whose answer may be kept for so many seconds. */
  const get = <E extends Endpoint>(
    { path, parameters }: E,
    keep: number,
    answer: (wanted: Values<E["parameters"]>, path: string) => Promise<object | Said>,
  ): void => {
    app.get(path, async (request, reply) => {
      const query = request.query as Record<string, unknown>;
      const wanted = readParameters(parameters, query) as Values<E["parameters"]>;
      const ask = async (): Promise<Said> => {
        const body = await answer(wanted, request.url);
        return isSaid(body) ? body : sayJson(body);
      };
      const said =
        keep === 0 ? await ask() : await memo.get(`${path} ${JSON.stringify(wanted)}`, keep, ask);
      return send(request, reply, said, keep);
    });
  };

  app.get(catalogue.health.path, { config: { rateLimit: false } }, async (request, reply) => {
    takesNothing(request);
    void reply.header("cache-control", "no-store");
    try {
      await database.check();
      return { status: "healthy", database: "connected" };
    } catch {
      return reply.code(503).send({ status: "unhealthy", database: "disconnected" });
    }
  });
  // Ready to be asked: says nothing of the database, so that an outage there does not restart this process.
  app.get("/ready", { config: { rateLimit: false } }, async () => ({
    status: "ready",
    listeners: stream.size,
  }));

  get(catalogue.info, 0, async () => ({
    name: "DX Cluster API",
    version,
    description: "REST API for DX cluster spot data",
    endpoints: summarize(),
  }));

  get(catalogue.stats, 5, async () => {
    const [row] = await database.rows<Record<string, unknown>>(reports.statsQuery(new Date()));
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
  });

  get(catalogue.spots, 0, async (wanted, url) => {
    const page = await search.find(withOrder(wanted));
    if (wanted.format === "csv") {
      const next = page.nextCursor === null ? null : nextUrl(url, page.nextCursor);
      return say(toCsv(page.rows), "text/csv; charset=utf-8", {
        "content-disposition": 'attachment; filename="spots.csv"',
        ...(next !== null && { link: `<${next}>; rel="next"` }),
      });
    }
    return {
      spots: page.rows.map(show),
      count: page.rows.length,
      pagination: {
        total: page.total,
        total_is_minimum: page.totalIsMinimum,
        limit: wanted.limit,
        offset: wanted.offset,
        has_more: page.hasMore,
        next_cursor: page.nextCursor,
        ...(page.searchedBackTo && { searched_back_to: page.searchedBackTo.toISOString() }),
      },
    };
  });

  get(catalogue.recent_spots, 0, async ({ hours, limit }) => {
    const since = new Date(Date.now() - hours * 3_600_000);
    const rows = await database.rows<SpotRow>(recentQuery(since, limit));
    return { spots: rows.map(show), hours, count: rows.length };
  });

  app.get(catalogue.stream.path, async (request, reply) => {
    takesNothing(request);
    const lastId = Number(request.headers["last-event-id"] ?? "");
    reply.hijack();
    await stream.join(
      reply.raw,
      clientOf(request.ip),
      Number.isSafeInteger(lastId) && lastId > 0 ? lastId : null,
      openToAll,
    );
  });

  get(catalogue.bands, 10, async (wanted) => ({
    bands: await database.rows(reports.bandsQuery(wanted, new Date())),
  }));

  get(catalogue.band_conditions, 5, async ({ minutes }) => ({
    conditions: await database.rows(reports.conditionsQuery(minutes, new Date())),
    minutes,
  }));

  get(catalogue.frequency_histogram, 10, async (wanted) => {
    interface Bin {
      readonly low: number;
      readonly high: number;
      readonly total: number;
      readonly bin_number: number;
    }
    const rows = await database.rows<Bin>(reports.histogramQuery(wanted, new Date()));
    const [first] = rows;
    if (first === undefined) return { histogram: [], bins: 0, total_spots: 0 };
    const width = (first.high - first.low) / wanted.bins;
    return {
      histogram: rows.map(({ low, high: _high, total: _total, ...bin }) => ({
        ...bin,
        center_freq: Math.round((low + (bin.bin_number + 0.5) * width) * 1000) / 1000,
      })),
      bins: wanted.bins,
      bin_width: width,
      frequency_range: { min: first.low, max: first.high },
      total_spots: first.total,
    };
  });

  get(catalogue.hourly_activity, 10, async ({ hours }) => ({
    activity: await database.rows(reports.hourlyQuery(hours, new Date())),
    hours,
  }));

  get(catalogue.band_activity, 10, async ({ hours }) => ({
    activity: await database.rows(reports.bandActivityQuery(hours, new Date())),
    hours,
  }));

  get(catalogue.top_callsigns, 10, async (wanted) => {
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

  get(catalogue.solar, 10, async (wanted) => {
    const history = await database.rows<Record<string, unknown>>(
      reports.solarQuery(wanted, new Date()),
    );
    // Each index from the newest announcement that names it: WWV has no sunspot number, WCY has.
    const newest = (name: string): unknown =>
      history.find((row) => row[name] !== null)?.[name] ?? null;
    const names = ["timestamp", "solar_flux", "a_index", "k_index", "sunspot_number", "conditions"];
    return {
      solar: Object.fromEntries(names.map((name) => [name, newest(name)])),
      history,
      hours: wanted.hours,
    };
  });

  get(catalogue.prefixes, 3600, async () => {
    const rows = await database.rows<PrefixRow>(prefixesQuery);
    return {
      prefixes: rows.map(({ latitude: lat, longitude: lon, ...row }) => ({ ...row, lat, lon })),
      count: rows.length,
    };
  });

  const description = describeApi(catalogue, version);
  const described = { ...sayJson(description), type: "application/openapi+json" };
  app.get(catalogue.openapi.path, async (request, reply) => {
    takesNothing(request);
    return send(request, reply, described, 3600);
  });
  const docs = say(docsPage(description), "text/html; charset=utf-8", {
    "content-security-policy": docsPolicy,
    "x-content-type-options": "nosniff",
  });
  app.get(catalogue.docs.path, async (request, reply) => {
    takesNothing(request);
    return send(request, reply, docs, 3600);
  });
}

function takesNothing(request: FastifyRequest): void {
  readParameters({}, request.query as Record<string, unknown>);
}

function isSaid(body: object): body is Said {
  return "etag" in body;
}

function nextUrl(url: string, cursor: string): string {
  const [path = "", query = ""] = url.split("?");
  const parameters = new URLSearchParams(query);
  parameters.delete("offset");
  parameters.set("cursor", cursor);
  return `${path}?${parameters.toString()}`;
}
