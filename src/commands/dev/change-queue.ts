import type { SourceChange } from "../../local/watch.ts";

/** Changes that wait for their turn, put together while another is on its way. */
export class ChangeQueue {
  readonly #leave: Promise<void>;
  #waiting: SourceChange | undefined;
  #wake: () => void = () => undefined;
  #lastAt = 0;

  /** @param signal ends every waiting */
  constructor(signal: AbortSignal) {
    this.#leave = new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  add(change: SourceChange): void {
    this.#lastAt = Date.now();
    this.#waiting = joinChanges(this.#waiting, change);
    this.#wake();
  }

  /** The next change; undefined once the signal says so. */
  async next(): Promise<SourceChange | undefined> {
    if (this.#waiting === undefined) {
      const change = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([change, this.#leave]);
    }
    const change = this.#waiting;
    this.#waiting = undefined;
    return change;
  }

  /** The change with all that comes until nothing has come for a while: somebody else's build is done then. */
  async settle(change: SourceChange, quietMs: number): Promise<SourceChange> {
    for (;;) {
      const left = this.#lastAt + quietMs - Date.now();
      if (left <= 0) break;
      await new Promise((resolve) => setTimeout(resolve, left));
    }
    const more = this.#waiting;
    this.#waiting = undefined;
    return more === undefined ? change : joinChanges(change, more);
  }
}

/** Both as one. */
export function joinChanges(before: SourceChange | undefined, change: SourceChange): SourceChange {
  if (before === undefined) return change;
  return {
    paths: [...new Set([...before.paths, ...change.paths])].sort(),
    savedAt: Math.max(before.savedAt, change.savedAt),
  };
}
