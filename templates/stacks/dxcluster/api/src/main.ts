/** The DX Cluster REST API. Listens on $PORT (8080); PGHOST, PGDATABASE and PGUSER say where PostgreSQL is. */
import { buildApp } from "./app.ts";
import { trustedProxies } from "./clients.ts";

declare const STACK_VERSION: string;

function whole(name: string, fallback: number): number {
  const text = process.env[name] ?? "";
  if (text === "") return fallback;
  if (/^\d{1,7}$/.test(text)) return Number(text);
  process.stderr.write(`${name} must be a whole number, not ${JSON.stringify(text)}\n`);
  process.exit(78);
}

async function main(): Promise<void> {
  const proxies = process.env["TRUSTED_PROXIES"];
  const { app, close } = await buildApp({
    version: STACK_VERSION,
    logLevel: process.env["LOG_LEVEL"] ?? "warn",
    pool: whole("DB_POOL", 8),
    proxies: proxies === undefined ? trustedProxies() : proxies.split(/[\s,]+/).filter(Boolean),
    requestsPerMinute: whole("RATE_LIMIT", 600),
    streams: whole("STREAMS", 1000),
    streamsPerClient: whole("STREAMS_PER_CLIENT", 50),
  });
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    // Nothing here is worth waiting for longer than that.
    setTimeout(() => process.exit(0), 1200).unref();
    await close();
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop());
  const address = await app.listen({
    port: whole("PORT", 8080),
    host: process.env["HOST"] ?? "0.0.0.0",
  });
  process.stdout.write(`DX Cluster API on ${address}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
