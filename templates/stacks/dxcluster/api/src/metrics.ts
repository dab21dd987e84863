/** What Prometheus may know of this process. */
import type { FastifyInstance } from "fastify";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

export interface Metrics {
  countStreamed(spots: number): void;
  countDatabaseError(): void;
}

/** Adds `/metrics`, for whoever asks directly: through a proxy there is no such page. */
export function addMetrics(
  app: FastifyInstance,
  look: () => { readonly listeners: number; readonly isLive: boolean; readonly waiting: number },
): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const seconds = new Histogram({
    name: "dx_api_request_seconds",
    help: "Time to answer a request, streams left out",
    labelNames: ["route", "status"],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const streamed = new Counter({
    name: "dx_api_streamed_spots_total",
    help: "Spots sent to the listeners of the stream, each counted once",
    registers,
  });
  const errors = new Counter({
    name: "dx_api_database_errors_total",
    help: "Questions that the database did not answer",
    registers,
  });
  const gauge = (name: string, help: string, value: () => number): void => {
    const made: Gauge = new Gauge({
      name,
      help,
      registers,
      collect: () => {
        made.set(value());
      },
    });
  };
  gauge("dx_api_listeners", "Open streams", () => look().listeners);
  gauge("dx_api_live", "1 when new spots are heard of at once", () => Number(look().isLive));
  gauge("dx_api_waiting_queries", "Questions that wait for a connection", () => look().waiting);

  app.addHook("onResponse", (request, reply, done) => {
    // Only paths that exist: everybody can ask for others.
    const route = request.routeOptions.url ?? "none";
    seconds.labels(route, String(reply.statusCode)).observe(reply.elapsedTime / 1000);
    done();
  });
  app.get("/metrics", { config: { rateLimit: false } }, async (request, reply) => {
    const passedOn = ["x-forwarded-for", "forwarded", "via"].some(
      (name) => request.headers[name] !== undefined,
    );
    if (passedOn) return reply.callNotFound();
    return reply
      .type(registry.contentType)
      .header("cache-control", "no-store")
      .send(await registry.metrics());
  });
  return {
    countStreamed: (spots) => {
      streamed.inc(spots);
    },
    countDatabaseError: () => {
      errors.inc();
    },
  };
}
