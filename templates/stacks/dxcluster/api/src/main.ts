/** The DX Cluster REST API. Listens on $PORT (8080); PGHOST, PGDATABASE and PGUSER say where PostgreSQL is. */
import fastify, { type FastifyError } from "fastify";
import { Database } from "./database.ts";
import { addRoutes } from "./routes.ts";
import { SpotStream } from "./stream.ts";

const port = Number(process.env["PORT"] ?? 8080);
const app = fastify({
  logger: { level: process.env["LOG_LEVEL"] ?? "warn" },
  forceCloseConnections: true,
  routerOptions: { ignoreTrailingSlash: true },
});

const warned = new Map<string, number>();
/** A database that is away says the same thing many times a second. */
function warn(error: Error): void {
  const now = Date.now();
  if (now - (warned.get(error.message) ?? 0) < 10_000) return;
  warned.set(error.message, now);
  app.log.warn(`database: ${error.message}`);
}

const database = new Database(Number(process.env["DB_POOL"] ?? 8), warn);
const stream = new SpotStream(database, warn);

app.setErrorHandler((error: FastifyError, _request, reply) => {
  const status = error.statusCode ?? 500;
  if (status < 500)
    return reply.code(status).send({ error: "Bad request", message: error.message });
  warn(error);
  // Whatever the database said stays in the log.
  return reply
    .code(503)
    .header("retry-after", "5")
    .send({ error: "Service unavailable", message: "The database does not answer" });
});
app.setNotFoundHandler((_request, reply) =>
  reply.code(404).send({ error: "Not found", message: "Endpoint not found" }),
);
addRoutes(app, database, stream);

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  // Nothing here is worth waiting for longer than that.
  setTimeout(() => process.exit(0), 1200).unref();
  await stream.close();
  await app.close();
  await database.close();
  process.exit(0);
}
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop());

app.listen({ port, host: process.env["HOST"] ?? "0.0.0.0" }).then(
  (address) => {
    process.stdout.write(`DX Cluster API on ${address}\n`);
  },
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
