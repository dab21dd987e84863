/** Server-sent events: every new spot, to every listener, within a moment of its row. */
import type { ServerResponse } from "node:http";
import pg from "pg";
import { type Database, session } from "./database.ts";
import { newerQuery, newestIdQuery, type SpotRow } from "./queries.ts";

/** A listener that is behind by more bytes than this is let go. */
const mostBacklog = 1_000_000;
const batch = 500;
/** Spots that a listener who comes back may have missed; whoever missed more is told so. */
const mostMissed = 5000;

interface Listener {
  readonly response: ServerResponse;
  readonly client: string;
  /** The last id it was sent. */
  sent: number;
  /** It still gets what it missed: what comes meanwhile is found in the database too. */
  isBehind: boolean;
}

export interface StreamOptions {
  readonly most: number;
  readonly mostPerClient: number;
  readonly warn: (error: Error) => void;
  /** A row as it goes out. */
  readonly show: (row: SpotRow) => object;
  readonly onSent?: (spots: number) => void;
}

export class SpotStream {
  readonly #database: Database;
  readonly #options: StreamOptions;
  readonly #listeners = new Set<Listener>();
  #lastId: number | null = null;
  #client: pg.Client | null = null;
  #fetching = false;
  #again = false;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(database: Database, options: StreamOptions) {
    this.#database = database;
    this.#options = options;
    // Comments keep proxies from closing a quiet stream.
    this.#heartbeat = setInterval(() => {
      for (const listener of this.#listeners) this.#write(listener, ": still here\n\n");
    }, 15_000);
    void this.#listen();
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** Whether new spots are heard of at this moment. */
  get isLive(): boolean {
    return this.#client !== null;
  }

  /**
   * @param client who it is, for the limit of listeners of one client
   * @param lastId what it saw last, from its Last-Event-ID header; spots since then are sent first
   * @param headers that the answer gets besides its own
   */
  async join(
    response: ServerResponse,
    client: string,
    lastId: number | null,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const same = [...this.#listeners].filter((listener) => listener.client === client).length;
    if (this.#listeners.size >= this.#options.most || same >= this.#options.mostPerClient) {
      const isFull = this.#listeners.size >= this.#options.most;
      response.writeHead(isFull ? 503 : 429, {
        ...headers,
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-store",
        "retry-after": "30",
      });
      const error = isFull ? "Service unavailable" : "Too many requests";
      response.end(JSON.stringify({ error, message: "Too many listeners" }));
      return;
    }
    response.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
    });
    response.write("retry: 3000\n\n");
    const listener: Listener = {
      response,
      client,
      sent: lastId ?? 0,
      isBehind: lastId !== null,
    };
    this.#listeners.add(listener);
    response.on("close", () => this.#listeners.delete(listener));
    // A socket that breaks while it is written to is a listener gone, no more.
    response.on("error", () => this.#listeners.delete(listener));
    if (lastId !== null) await this.#catchUp(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#retry);
    for (const { response } of this.#listeners) response.end();
    await this.#client?.end().catch(() => undefined);
  }

  /** Until nothing is missing, then it is a listener like the others. */
  async #catchUp(listener: Listener): Promise<void> {
    try {
      if (this.#lastId !== null && listener.sent > this.#lastId) {
        const [newest] = await this.#database.rows<{ id: number }>(newestIdQuery);
        // An id from before the database was put back to an earlier day: it has seen what there is.
        listener.sent = Math.min(listener.sent, newest?.id ?? 0);
      }
      for (let count = 0; listener.isBehind && !listener.response.destroyed;) {
        const known = this.#lastId;
        const rows = await this.#database.rows<SpotRow>(newerQuery(listener.sent, batch));
        this.#send(listener, rows);
        count += rows.length;
        // Whatever was broadcast meanwhile passed it by.
        const hasAll = known === this.#lastId || listener.sent >= (this.#lastId ?? 0);
        if (rows.length < batch && hasAll) listener.isBehind = false;
        else if (count >= mostMissed) {
          listener.isBehind = false;
          this.#write(listener, `event: gap\ndata: {"after":${listener.sent}}\n\n`);
        }
      }
    } catch (error) {
      // It comes back with the id it has.
      listener.response.destroy();
      this.#options.warn(toError(error));
    }
  }

  async #listen(): Promise<void> {
    const client = new pg.Client({
      ...session,
      application_name: "dx-api-stream",
      connectionTimeoutMillis: 2000,
      keepAlive: true,
    });
    let gone = false;
    const lost = (error?: Error): void => {
      if (gone) return;
      gone = true;
      if (error !== undefined) this.#options.warn(error);
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
      this.#lastId ??= (await this.#database.rows<{ id: number }>(newestIdQuery))[0]?.id ?? 0;
      // Whatever came between two connections.
      await this.#fetch();
    } catch (error) {
      await client.end().catch(() => undefined);
      lost(toError(error));
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
        const after: number = this.#lastId;
        const rows = await this.#database.rows<SpotRow>(newerQuery(after, batch));
        this.#lastId = rows.at(-1)?.id ?? this.#lastId;
        if (rows.length > 0) this.#broadcast(rows);
        if (rows.length === batch) this.#again = true;
      }
    } catch (error) {
      this.#options.warn(toError(error));
    } finally {
      this.#fetching = false;
    }
  }

  #broadcast(rows: readonly SpotRow[]): void {
    const last = rows.at(-1)?.id ?? 0;
    const first = rows[0]?.id ?? 0;
    const all = this.#toEvents(rows);
    this.#options.onSent?.(rows.length);
    for (const listener of this.#listeners) {
      if (listener.isBehind) continue;
      if (listener.sent < first) this.#write(listener, all);
      else this.#send(listener, rows);
      listener.sent = Math.max(listener.sent, last);
    }
  }

  /** Those of the rows that it does not have yet. */
  #send(listener: Listener, rows: readonly SpotRow[]): void {
    const missing = rows.filter((row) => row.id > listener.sent);
    if (missing.length === 0) return;
    this.#write(listener, this.#toEvents(missing));
    listener.sent = missing.at(-1)?.id ?? listener.sent;
  }

  #toEvents(rows: readonly SpotRow[]): string {
    return rows
      .map(
        (row) => `event: spot\nid: ${row.id}\ndata: ${JSON.stringify(this.#options.show(row))}\n\n`,
      )
      .join("");
  }

  #write({ response }: Listener, text: string): void {
    // Who reads too slowly is let go; the browser comes back with the last id it has.
    if (response.writableLength > mostBacklog) response.destroy();
    else response.write(text);
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
