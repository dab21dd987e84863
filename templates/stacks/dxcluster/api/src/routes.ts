/** The endpoints: the paths, parameters and field names users of the DX Cluster API know. */
import type { FastifyInstance } from "fastify";
import { say, sayJson, send } from "./answer.ts";
import { catalogue, summarize } from "./catalogue.ts";
import type { Database } from "./database.ts";
import { docsPage, docsPolicy } from "./docs-page.ts";
import { KeptRoutes, takesNothing } from "./kept-routes.ts";
import { Memo } from "./memo.ts";
import { describeApi } from "./openapi.ts";
import type { SpotRow } from "./queries.ts";
import { addReportRoutes } from "./report-routes.ts";
import { SpotSearch } from "./search.ts";
import { addSpotRoutes, addStreamRoute } from "./spot-routes.ts";
import type { SpotStream } from "./stream.ts";

export interface Parts {
  readonly database: Database;
  readonly stream: SpotStream;
  /** A row as users see it. */
  readonly show: (row: SpotRow) => object;
  readonly version: string;
}

export function addRoutes(app: FastifyInstance, { database, stream, show, version }: Parts): void {
  const memo = new Memo();
  const routes = new KeptRoutes(app, memo);
  addHealthRoutes(app, database, stream);
  routes.get(catalogue.info, 0, async () => ({
    name: "DX Cluster API",
    version,
    description: "REST API for DX cluster spot data",
    endpoints: summarize(),
  }));
  addSpotRoutes(routes, new SpotSearch(database, memo), database, show);
  addStreamRoute(app, stream);
  addReportRoutes(routes, database);
  addDescriptions(app, version);
}

function addHealthRoutes(app: FastifyInstance, database: Database, stream: SpotStream): void {
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
}

/** The API as a document, and as a page to read. */
function addDescriptions(app: FastifyInstance, version: string): void {
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
