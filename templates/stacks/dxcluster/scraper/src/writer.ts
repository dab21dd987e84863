/** Moves records from the journal into the database, in order, for ever. */
import { backoffSeconds } from "./backoff.ts";
import { type Stored, troubleOf } from "./database.ts";
import type { Journal, JournalRecord } from "./journal.ts";
import { type Row, toRow } from "./rows.ts";

export interface RowStore {
  store(rows: readonly Row[]): Promise<Stored>;
  maintain(now: number): Promise<void>;
  close(): Promise<void>;
}

export interface WriterEvents {
  stored(stored: Stored, rows: readonly Row[], seconds: number): void;
  /** The batch stays in the journal and is tried again. */
  failed(error: unknown): void;
  /** A single record the database refuses for what it holds: logged and left out, or it would block all that follow. */
  rejected(record: JournalRecord, error: unknown): void;
}

const batchSize = 1000;
/** Seconds between attempts while the database is away: short, for it is on this host and asking costs nothing. */
const longestWait = 5;

export class Writer {
  readonly #journal: Journal;
  readonly #store: RowStore;
  readonly #events: WriterEvents;
  #stopping = false;
  #wake: (() => void) | null = null;
  #pending = false;
  #lastTurn = Date.now();

  constructor(journal: Journal, store: RowStore, events: WriterEvents) {
    this.#journal = journal;
    this.#store = store;
    this.#events = events;
  }

  /** Milliseconds since the epoch of the last turn of the loop: a writer that hangs stops moving this. */
  get lastTurn(): number {
    return this.#lastTurn;
  }

  /** There is something to write. */
  wake(): void {
    this.#pending = true;
    this.#wake?.();
  }

  /** Ends `run` after the batch at hand. */
  stop(): void {
    this.#stopping = true;
    this.#wake?.();
  }

  async run(): Promise<void> {
    let failures = 0;
    while (!this.#stopping) {
      this.#lastTurn = Date.now();
      this.#pending = false;
      const batch = this.#journal.next(batchSize);
      try {
        await this.#maintain();
        if (batch.records.length === 0) {
          failures = 0;
          if (!this.#pending) await this.#sleep(5);
          continue;
        }
        await this.#write(batch.records);
        this.#journal.done(batch.end);
        failures = 0;
      } catch (error) {
        this.#journal.rewind();
        this.#events.failed(error);
        if (!this.#stopping)
          await this.#rest(backoffSeconds(failures++, longestWait, Math.random()));
      }
    }
    await this.#store.close();
  }

  /** Rows outside every month still have a place: what fails here stops no line. */
  async #maintain(): Promise<void> {
    try {
      await this.#store.maintain(this.#lastTurn);
    } catch (error) {
      this.#events.failed(error);
    }
  }

  /** Halves a batch that is refused for its content until the record to blame stands alone. */
  async #write(records: readonly JournalRecord[]): Promise<void> {
    const rows = records.map(toRow);
    const begun = performance.now();
    try {
      const stored = await this.#store.store(rows);
      this.#events.stored(stored, rows, (performance.now() - begun) / 1000);
    } catch (error) {
      if (troubleOf(error) !== "row") throw error;
      const [only] = records;
      if (records.length === 1 && only !== undefined) {
        this.#events.rejected(only, error);
        return;
      }
      const middle = Math.ceil(records.length / 2);
      await this.#write(records.slice(0, middle));
      await this.#write(records.slice(middle));
    }
  }

  /** Ends early when there is something to write. */
  async #sleep(seconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  /** Does not end early but for a stop: new lines do not bring the database back. */
  async #rest(seconds: number): Promise<void> {
    const until = Date.now() + seconds * 1000;
    while (!this.#stopping && Date.now() < until) {
      this.#lastTurn = Date.now();
      await this.#sleep(Math.min(1, (until - Date.now()) / 1000 + 0.001));
    }
  }
}
