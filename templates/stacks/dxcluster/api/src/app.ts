/** The API as one thing: limits, errors, headers and endpoints around a database. */
import rateLimit from "@fastify/rate-limit";
import fastify, { type FastifyError, type FastifyInstance } from "fastify";
import { openToAll } from "./answer.ts";
import { clientOf } from "./clients.ts";
import { Database, isTooSlow } from "./database.ts";
import { addMetrics } from "./metrics.ts";
import { PlaceBook, placesOf, type PrefixRow } from "./places.ts";
import { firstLookQuery, prefixesQuery, type SpotRow } from "./queries.ts";
import { addRoutes } from "./routes.ts";
import { SpotStream } from "./stream.ts";

export interface Settings {
  readonly version: string;
  readonly logLevel: string;
  /** Connections to the database, the stream's own not counted. */
  readonly pool: number;
  /** Addresses and networks whose X-Forwarded-For is believed. */
  readonly proxies: readonly string[];
  /** Requests a minute that one client may make; 0: as many as it likes. */
  readonly requestsPerMinute: number;
  readonly streams: number;
  readonly streamsPerClient: number;
}

const names: Readonly<Record<number, string>> = {
  404: "Not found",
  405: "Method not allowed",
  429: "Too many requests",
};

export async function buildApp(
  settings: Settings,
): Promise<{ readonly app: FastifyInstance; close(): Promise<void> }> {
  const app = fastify({
    logger: { level: settings.logLevel },
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true },
    trustProxy: [...settings.proxies],
  });

  const warned = new Map<string, number>();
  /** A database that is away says the same thing many times a second. */
  const warn = (error: Error): void => {
    metrics.countDatabaseError();
    const now = Date.now();
    if (now - (warned.get(error.message) ?? 0) < 10_000) return;
    warned.set(error.message, now);
    app.log.warn(`database: ${error.message}`);
  };

  const metrics = addMetrics(app, () => ({
    listeners: stream.size,
    isLive: stream.isLive,
    waiting: database.waiting,
  }));
  const database = new Database(settings.pool, warn);
  database.warm(firstLookQuery).catch(warn);
  const places = new Places(database, warn);
  const show = (row: SpotRow): object => showSpot(row, places.book);
  const stream = new SpotStream(database, {
    most: settings.streams,
    mostPerClient: settings.streamsPerClient,
    warn,
    show,
    onSent: (spots) => {
      metrics.countStreamed(spots);
    },
  });

  openToAllPages(app);
  answerErrors(app, warn);
  if (settings.requestsPerMinute > 0) await limitRequests(app, settings.requestsPerMinute);
  answerTheRest(app);
  addRoutes(app, { database, stream, show, version: settings.version });

  return {
    app,
    async close() {
      places.close();
      await stream.close();
      await app.close();
      await database.close();
    },
  };
}

function openToAllPages(app: FastifyInstance): void {
  app.addHook("onRequest", (request, reply, done) => {
    if (request.url.startsWith("/api"))
      void reply.headers({ ...openToAll, "access-control-expose-headers": "link, retry-after" });
    done();
  });
}

function answerErrors(app: FastifyInstance, warn: (error: Error) => void): void {
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500)
      return reply
        .code(status)
        .header("cache-control", "no-store")
        .send({ error: names[status] ?? "Bad request", message: error.message });
    warn(error);
    // Whatever the database said stays in the log.
    const message = isTooSlow(error)
      ? "This question takes too long: narrow it by since, until, band or a callsign"
      : "The database does not answer";
    return reply
      .code(503)
      .headers({ "retry-after": "5", "cache-control": "no-store" })
      .send({ error: "Service unavailable", message });
  });
}

/** @param most requests a minute */
async function limitRequests(app: FastifyInstance, most: number): Promise<void> {
  await app.register(rateLimit, {
    max: most,
    timeWindow: 60_000,
    cache: 20_000,
    keyGenerator: (request) => clientOf(request.ip),
    errorResponseBuilder: (_request, { after }) =>
      Object.assign(new Error(`More than ${most} requests a minute: again in ${after}`), {
        statusCode: 429,
      }),
  });
}

/** Endpoints that are not there, and methods that no endpoint has. */
function answerTheRest(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => {
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (request.method === "OPTIONS" && request.url.startsWith("/api"))
      return reply
        .code(204)
        .headers({
          "access-control-allow-methods": "GET, HEAD",
          "access-control-allow-headers": "*",
          "access-control-max-age": "86400",
        })
        .send();
    return isRead
      ? reply.code(404).send({ error: names[404], message: "Endpoint not found" })
      : reply
          .code(405)
          .header("allow", "GET, HEAD, OPTIONS")
          .send({ error: names[405], message: "This API is read by GET" });
  });
}

/** Field by field: copying "all but these" of a hundred rows took longer than everything else in a request. */
function showSpot(row: SpotRow, book: PlaceBook): object {
  const places = placesOf(book, row);
  return {
    id: row.id,
    timestamp: row.timestamp,
    dx_call: row.dx_call,
    frequency: row.frequency,
    spotter_call: row.spotter_call,
    comment: row.comment,
    mode: row.mode,
    signal_report: row.signal_report,
    grid_square: row.grid_square,
    band: row.band,
    dx_country: places.dx_country,
    dx_continent: places.dx_continent,
    dx_lat: places.dx_lat,
    dx_lon: places.dx_lon,
    spotter_country: places.spotter_country,
    spotter_continent: places.spotter_continent,
    spotter_lat: places.spotter_lat,
    spotter_lon: places.spotter_lon,
  };
}

/** The table of prefixes, read once an hour: a migration may add to it while this runs. */
class Places {
  readonly #database: Database;
  readonly #warn: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  book = new PlaceBook([]);

  constructor(database: Database, warn: (error: Error) => void) {
    this.#database = database;
    this.#warn = warn;
    void this.#read();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #read(): Promise<void> {
    try {
      this.book = new PlaceBook(await this.#database.rows<PrefixRow>(prefixesQuery));
    } catch (error) {
      this.#warn(error instanceof Error ? error : new Error(String(error)));
    }
    const isThere = this.book.size > 0;
    if (!this.#closed)
      this.#timer = setTimeout(() => void this.#read(), isThere ? 3_600_000 : 2000);
  }
}
