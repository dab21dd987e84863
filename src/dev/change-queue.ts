import type { SourceChange } from "../local/watch.ts";
import type { Verdict } from "./triggers.ts";

/** A change, and what it is. */
export interface Judged {
  readonly change: SourceChange;
  readonly verdict: Verdict;
}

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
    if (this.#waiting === undefined) await this.#wait();
    const change = this.#waiting;
    this.#waiting = undefined;
    return change;
  }

  /**
   * What somebody else's build made, with all that comes until nothing has come for a while: the build is done then. A source
   * that is saved meanwhile ends the waiting.
   * @param judge says of each further change what it is
   */
  async settle(
    made: Judged,
    quietMs: number,
    judge: (change: SourceChange) => Promise<Verdict>,
  ): Promise<Judged> {
    let all = made;
    for (;;) {
      const more = this.#waiting;
      this.#waiting = undefined;
      if (more !== undefined) all = joinJudged(all, { change: more, verdict: await judge(more) });
      if (all.verdict.cause === "sources") return all;
      const left = this.#lastAt + quietMs - Date.now();
      if (this.#waiting !== undefined) continue;
      if (left <= 0) return all;
      await this.#wait(left);
    }
  }

  /** Until a change comes, or the signal; at most so long. */
  async #wait(milliseconds?: number): Promise<void> {
    const change = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (milliseconds === undefined) return Promise.race([change, this.#leave]);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    await Promise.race([change, late]);
    clearTimeout(timer);
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

/** Both as one: a source among them is what counts, and what is named. */
function joinJudged(before: Judged, more: Judged): Judged {
  const { cause, paths } = more.verdict;
  return {
    change: joinChanges(before.change, more.change),
    verdict:
      cause === "sources"
        ? more.verdict
        : { ...before.verdict, paths: [...new Set([...before.verdict.paths, ...paths])].sort() },
  };
}
