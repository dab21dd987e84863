/** Server-sent events: every new spot, to every listener, within a moment of its row. */
import type { ServerResponse } from "node:http";
import pg from "pg";
import type { Database } from "./database.ts";
import { newerQuery, newestIdQuery } from "./queries.ts";

export interface StreamedSpot {
  readonly id: number;
}

const mostListeners = 1000;
const mostBacklog = 1_000_000;
const batch = 500;

export class SpotStream {
  readonly #database: Database;
  readonly #warn: (error: Error) => void;
  readonly #listeners = new Set<ServerResponse>();
  #lastId: number | null = null;
  #client: pg.Client | null = null;
  #fetching = false;
  #again = false;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(database: Database, warn: (error: Error) => void) {
    this.#database = database;
    this.#warn = warn;
    // Comments keep proxies from closing a quiet stream.
    this.#heartbeat = setInterval(() => {
      this.#write(": still here\n\n");
    }, 15_000);
    void this.#listen();
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** @param lastId what the browser saw last, from its Last-Event-ID header; spots since then are sent first. */
  async join(response: ServerResponse, lastId: number | null): Promise<void> {
    if (this.#listeners.size >= mostListeners) {
      response.writeHead(503, { "content-type": "application/json", "retry-after": "30" });
      response.end(JSON.stringify({ error: "Service unavailable", message: "Too many listeners" }));
      return;
    }
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
    });
    response.write("retry: 3000\n\n");
    if (lastId !== null) {
      const missed = await this.#database
        .rows<StreamedSpot>(newerQuery(String(lastId), batch))
        .catch(() => []);
      response.write(missed.map(toEvent).join(""));
    }
    this.#listeners.add(response);
    response.on("close", () => this.#listeners.delete(response));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#retry);
    for (const listener of this.#listeners) listener.end();
    await this.#client?.end().catch(() => undefined);
  }

  async #listen(): Promise<void> {
    const client = new pg.Client({
      application_name: "dx-api-stream",
      connectionTimeoutMillis: 2000,
      keepAlive: true,
    });
    let gone = false;
    const lost = (error?: Error): void => {
      if (gone) return;
      gone = true;
      if (error !== undefined) this.#warn(error);
      if (this.#client === client) this.#client = null;
      if (!this.#closed) this.#retry = setTimeout(() => void this.#listen(), 1000);
    };
    client.on("error", lost);
    client.on("end", () => {
      lost();
    });
    client.on("notification", () => void this.#fetch());
    try {
      await client.connect();
      await client.query("listen dx_spots");
      this.#client = client;
      this.#lastId ??= Number(
        (await this.#database.rows<{ id: string }>(newestIdQuery))[0]?.id ?? 0,
      );
      // Whatever came between two connections.
      await this.#fetch();
    } catch (error) {
      await client.end().catch(() => undefined);
      lost(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** One fetch at a time; a notification during one makes it run once more. */
  async #fetch(): Promise<void> {
    this.#again = true;
    if (this.#fetching || this.#lastId === null) return;
    this.#fetching = true;
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        const spots: readonly StreamedSpot[] = await this.#database.rows<StreamedSpot>(
          newerQuery(String(this.#lastId), batch),
        );
        this.#lastId = spots.at(-1)?.id ?? this.#lastId;
        if (spots.length > 0) this.#write(spots.map(toEvent).join(""));
        if (spots.length === batch) this.#again = true;
      }
    } catch (error) {
      this.#warn(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#fetching = false;
    }
  }

  #write(text: string): void {
    for (const listener of this.#listeners) {
      // Who reads too slowly is let go; the browser comes back with the last id it has.
      if (listener.writableLength > mostBacklog) listener.destroy();
      else listener.write(text);
    }
  }
}

function toEvent(spot: StreamedSpot): string {
  return `event: spot\nid: ${spot.id}\ndata: ${JSON.stringify(spot)}\n\n`;
}
