/** A small pool. libpq's variables say where; over the mounted socket the system user is the role, without a password. */
import pg from "pg";
import type { Query } from "./queries.ts";

// A bigint that a JSON number holds exactly: ids.
pg.types.setTypeParser(20, Number);

export class Database {
  readonly #pool: pg.Pool;

  constructor(size: number, warn: (error: Error) => void) {
    this.#pool = new pg.Pool({
      max: size,
      application_name: "dx-api",
      connectionTimeoutMillis: 2000,
      idleTimeoutMillis: 30_000,
      statement_timeout: 10_000,
      query_timeout: 12_000,
    });
    // The database was restarted under an idle connection: the next query opens another.
    this.#pool.on("error", warn);
  }

  async rows<T extends object>(query: Query): Promise<readonly T[]> {
    const result = await this.#pool.query<T>({ text: query.text, values: [...query.values] });
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
      await Promise.race([this.#pool.query("select 1"), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}
