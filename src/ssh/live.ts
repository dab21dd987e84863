import type { Duplex } from "node:stream";
import { HostkitError } from "../errors.ts";
import type { Connection, ExecOptions, ExecResult } from "./connection.ts";
import type { ForwardTarget } from "./forward.ts";
import type { LocalTerminal, TerminalResult } from "./connection.ts";

/** How long a lost connection is tried to be replaced before what needs it fails. */
const patienceMs = 120_000;

/**
 * A connection that is replaced when it is lost: whoever holds it can go on using it. A command that was going on at that moment is done
 * once more where it may be (`onRepeat`), else it fails as it would have; the next one finds a new connection.
 * @param open opens one; the first time without patience, so that a host that is not there is told at once
 * @throws HostkitError what `open` throws
 */
export async function keepConnected(open: () => Promise<Connection>): Promise<Connection> {
  return new LiveConnection(open, await open());
}

class LiveConnection implements Connection {
  readonly #open: () => Promise<Connection>;
  #current: Connection;
  #next: Promise<Connection> | undefined;
  #isOver = false;

  constructor(open: () => Promise<Connection>, first: Connection) {
    this.#open = open;
    this.#current = first;
    this.#watch(first);
  }

  get description(): string {
    return this.#current.description;
  }

  get host(): string {
    return this.#current.host;
  }

  get isFar(): boolean {
    return this.#current.isFar;
  }

  get closed(): Promise<Error | undefined> {
    return this.#current.closed;
  }

  async exec(shellText: string, options: ExecOptions = {}): Promise<ExecResult> {
    const connection = await this.#living();
    try {
      return await connection.exec(shellText, options);
    } catch (error) {
      if (options.onRepeat === undefined || !(await this.#isLost(connection, error))) throw error;
      const another = await this.#living();
      options.onRepeat();
      return another.exec(shellText, options);
    }
  }

  async execOnTerminal(shellText: string, terminal: LocalTerminal): Promise<TerminalResult> {
    return (await this.#living()).execOnTerminal(shellText, terminal);
  }

  async openTcp(target: ForwardTarget): Promise<Duplex> {
    return (await this.#living()).openTcp(target);
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#current.close();
  }

  /** From here on, whoever needs a connection gets another one once this one is lost. */
  #watch(connection: Connection): void {
    void connection.closed.then((failure) => {
      if (failure === undefined || this.#isOver || connection !== this.#current) return;
      this.#next ??= this.#replace();
      // Nobody may ask for it.
      this.#next.catch(() => undefined);
    });
  }

  async #living(): Promise<Connection> {
    // What was lost just now is known only after whoever watches it was told.
    await new Promise((resolve) => setImmediate(resolve));
    const next = this.#next;
    if (next === undefined) return this.#current;
    try {
      return await next;
    } catch (error) {
      if (this.#next === next) this.#next = this.#replace();
      this.#next?.catch(() => undefined);
      throw error;
    }
  }

  /** A command that took too long fails in the same way, over a connection that is all right. */
  async #isLost(connection: Connection, error: unknown): Promise<boolean> {
    if (!isUnreachable(error) || this.#isOver) return false;
    const isClosed = connection.closed.then(() => true);
    return Promise.race([isClosed, pause(100).then(() => false)]);
  }

  async #replace(): Promise<Connection> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      try {
        const connection = await this.#open();
        if (this.#isOver) void connection.close();
        this.#current = connection;
        this.#next = undefined;
        this.#watch(connection);
        return connection;
      } catch (error) {
        if (!isUnreachable(error) || this.#isOver || Date.now() >= deadline) throw error;
        await pause(500);
      }
    }
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof HostkitError && error.code === "host_unreachable";
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
