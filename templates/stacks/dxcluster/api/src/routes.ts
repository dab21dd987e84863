/** The endpoints: the paths, parameters and field names users of the DX Cluster API know. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { toCsv, type CsvSpot } from "../../radio/spots-csv.ts";
import { catalogue, summarize } from "./catalogue.ts";
import type { Database } from "./database.ts";
import { Memo } from "./memo.ts";
import { describeApi, type Endpoint } from "./openapi.ts";
import { readParameters, type Values } from "./parameters.ts";
import * as queries from "./queries.ts";
import type { SpotStream } from "./stream.ts";

declare const STACK_VERSION: string;

export function addRoutes(app: FastifyInstance, database: Database, stream: SpotStream): void {
  const memo = new Memo();
  const timestamp = (): string => new Date().toISOString();

  /** A GET whose answer may be kept for so many seconds. */
  const get = <E extends Endpoint>(
    { path, parameters }: E,
    keep: number,
    answer: (wanted: Values<E["parameters"]>) => Promise<object>,
  ): void => {
    app.get(path, async (request: FastifyRequest, reply: FastifyReply) => {
      const wanted = readParameters(parameters, request.query as Record<string, unknown>) as Values<
        E["parameters"]
      >;
      const body =
        keep === 0
          ? await answer(wanted)
          : await memo.get(`${path} ${JSON.stringify(wanted)}`, keep, () => answer(wanted));
      void reply.header("cache-control", keep === 0 ? "no-cache" : `public, max-age=${keep}`);
      if (body instanceof Csv) return reply.type("text/csv; charset=utf-8").send(body.text);
      return { ...body, timestamp: timestamp() };
    });
  };

  const matchingCalls = async (
    part: string | undefined,
  ): Promise<readonly string[] | undefined> => {
    if (part === undefined) return undefined;
    const rows = await database.rows<{ callsign: string }>(queries.matchingCallsQuery(part));
    return rows.length > queries.mostMatchingCalls ? undefined : rows.map((row) => row.callsign);
  };

  app.get(catalogue.health.path, async (_request, reply) => {
    void reply.header("cache-control", "no-store");
    try {
      await database.check();
      return { status: "healthy", database: "connected" };
    } catch {
      return reply.code(503).send({ status: "unhealthy", database: "disconnected" });
    }
  });
  // Ready to be asked: says nothing of the database, so that an outage there does not restart this process.
  app.get("/ready", async () => ({ status: "ready", listeners: stream.size }));

  get(catalogue.info, 0, async () => ({
    name: "DX Cluster API",
    version: STACK_VERSION,
    description: "REST API for DX cluster spot data",
    endpoints: summarize(),
  }));

  get(catalogue.stats, 5, async () => {
    const [row] = await database.rows<Record<string, unknown>>(queries.statsQuery);
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

  get(catalogue.spots, 0, async (wanted) => {
    const [dx, spotter] = await Promise.all([
      matchingCalls(wanted.dx_call),
      matchingCalls(wanted.spotter_call),
    ]);
    const { page, count } = queries.spotsQuery(wanted, {
      ...(dx && { dx }),
      ...(spotter && { spotter }),
    });
    const [spots, counted] = await Promise.all([
      database.rows<CsvSpot>(page),
      memo.get(`count ${JSON.stringify(count)}`, 2, () => database.rows<{ total: number }>(count)),
    ]);
    if (wanted.format === "csv") return new Csv(toCsv(spots));
    const hits = counted[0]?.total ?? 0;
    const seen = wanted.offset + spots.length;
    const total = Math.max(Math.min(hits, queries.countLimit), spots.length > 0 ? seen : 0);
    return {
      spots,
      pagination: {
        total,
        // True: there are more than `total`, they were not counted.
        total_is_minimum: hits > queries.countLimit,
        limit: wanted.limit,
        offset: wanted.offset,
        has_more: hits > queries.countLimit ? spots.length === wanted.limit : seen < hits,
      },
    };
  });

  get(catalogue.recent_spots, 0, async (wanted) => {
    const spots = await database.rows(queries.recentQuery(wanted));
    return { spots, hours: wanted.hours, count: spots.length };
  });

  app.get(catalogue.stream.path, async (request, reply) => {
    readParameters({}, request.query as Record<string, unknown>);
    const header = Number(request.headers["last-event-id"] ?? "");
    reply.hijack();
    await stream.join(reply.raw, header > 0 ? header : null);
  });

  get(catalogue.bands, 10, async (wanted) => ({
    bands: await database.rows(queries.bandsQuery(wanted)),
  }));

  get(catalogue.frequency_histogram, 10, async (wanted) => {
    interface Bin {
      readonly low: number;
      readonly high: number;
      readonly total: number;
      readonly bin_number: number;
    }
    const rows = await database.rows<Bin>(queries.histogramQuery(wanted));
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

  get(catalogue.hourly_activity, 10, async (wanted) => ({
    activity: await database.rows(queries.hourlyQuery(wanted)),
    hours: wanted.hours,
  }));

  get(catalogue.top_callsigns, 10, async (wanted) => ({
    ...(wanted.category === "spotted"
      ? {}
      : { top_spotters: await database.rows(queries.topSpottersQuery(wanted)) }),
    ...(wanted.category === "spotters"
      ? {}
      : { top_spotted: await database.rows(queries.topSpottedQuery(wanted)) }),
  }));

  get(catalogue.solar, 10, async (wanted) => {
    const history = await database.rows<Record<string, unknown>>(queries.solarQuery(wanted));
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

  app.get(catalogue.openapi.path, async () => describeApi(Object.values(catalogue), STACK_VERSION));
}

/** An answer that is no JSON. */
class Csv {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}
