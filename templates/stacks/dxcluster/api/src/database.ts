/** Two small pools. libpq's variables say where; over the mounted socket the system user is the role, without a password. */
import pg from "pg";
import type { Query } from "./queries.ts";

// A bigint that a JSON number holds exactly: ids.
pg.types.setTypeParser(20, Number);
// The session's zone is UTC: its text is ISO 8601 but for two characters.
pg.types.setTypeParser(1184, toIso);

/** `2026-11-21 06:00:00.5+00` → `2026-11-21T06:00:00.500Z` */
export function toIso(text: string): string {
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.slice(20, -3).slice(0, 3).padEnd(3, "0")}Z`;
}

/** Longer than any good question takes, even at ten million spots. */
const longest = 4000;

/** Questions are many and short: compiling one costs more than it saves, and the data is in memory or on a solid disk. */
export const session = {
  options: "-c TimeZone=UTC -c DateStyle=ISO -c jit=off -c random_page_cost=1.1 -c work_mem=24MB",
} as const;

export class Database {
  /** For statements that have a name: planned once a session, for whatever the values are. */
  readonly #prepared: pg.Pool;
  /** For all others: planned each time, by what the values promise. */
  readonly #planned: pg.Pool;
  readonly #size: number;

  /** @param size connections in all, at least two. */
  constructor(size: number, warn: (error: Error) => void) {
    this.#size = Math.max(1, Math.ceil(size / 2));
    const open = (options: string): pg.Pool => {
      const pool = new pg.Pool({
        options,
        max: this.#size,
        application_name: "dx-api",
        connectionTimeoutMillis: 2000,
        // A new session reads the catalogue of every month first: what is open stays open.
        idleTimeoutMillis: 3_600_000,
        statement_timeout: longest,
        query_timeout: longest + 2000,
      });
      // The database was restarted under an idle connection: the next query opens another.
      pool.on("error", warn);
      return pool;
    };
    this.#prepared = open(`${session.options} -c plan_cache_mode=force_generic_plan`);
    this.#planned = open(session.options);
  }

  /** Opens all connections, each with a first look at every month; whoever asks first need not wait for that. */
  async warm({ text, values }: Query): Promise<void> {
    const pools = [this.#prepared, this.#planned];
    const looks = pools.flatMap((pool) =>
      Array.from({ length: this.#size }, async () => pool.query(text, [...values])),
    );
    await Promise.all(looks);
  }

  /** How many questions wait for a connection. */
  get waiting(): number {
    return this.#prepared.waitingCount + this.#planned.waitingCount;
  }

  async rows<T extends object>({ text, values, name }: Query): Promise<readonly T[]> {
    const pool = name === undefined ? this.#planned : this.#prepared;
    const result = await pool.query<T>({
      text,
      values: [...values],
      ...(name === undefined ? {} : { name }),
    });
    return result.rows;
  }

  /** Rejects when the database does not answer within two seconds. */
  async check(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error("the database does not answer"));
      }, 2000);
    });
    try {
      await Promise.race([this.#planned.query("select 1"), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#prepared.end(), this.#planned.end()]);
  }
}

/** PostgreSQL itself gave up on a statement that took too long. */
export function isTooSlow(error: unknown): boolean {
  return (error as { readonly code?: unknown } | null)?.code === "57014";
}
