/**
 * After each log-in a node is asked for its last spots (`show/dx`): they tell what it said while nobody listened, be
 * it that the connection was cut, the scraper was killed with bytes unread, or the power failed. Live lines wait
 * until the answer is complete, so that what is older is stored first. What is stored already is dropped later, by
 * the database. Nothing here is on disk: a scraper that is killed now asks again. No I/O, no clock.
 */
export interface CatchUpLine {
  /** When the station was heard, for a line of the history; null for every other line. Epoch milliseconds. */
  readonly past: number | null;
  /** Neither spot nor announcement: the prompt that ends the answer is one of these. */
  readonly other: boolean;
  /** Looks like a prompt, or says that the command is not known. */
  readonly ends: boolean;
}

/** Milliseconds. */
const longestSilence = 5000;
const longestPause = 1000;
const longestWhole = 30_000;
const mostLines = 20_000;

export class CatchUp<Line extends CatchUpLine> {
  readonly #begun: number;
  #prompts: number;
  #past: Line[] = [];
  #live: Line[] = [];
  #lastPast: number | null = null;
  #over = false;

  /**
   * @param begun epoch milliseconds when the node was asked.
   * @param prompts how many are to come: one for the greeting and one for each command. Only an answer without a
   * single spot is known by them.
   */
  constructor(begun: number, prompts: number) {
    this.#begun = begun;
    this.#prompts = prompts;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Takes a line, gives back those that may go on now, in their order. */
  take(line: Line, now: number): readonly Line[] {
    if (this.#over) return [line];
    if (line.past !== null) {
      this.#past.push(line);
      this.#lastPast = now;
    } else {
      if (line.other) {
        if (line.ends) this.#prompts--;
        // Banners before the answer; the first such line after it is the prompt.
        if (this.#lastPast === null && this.#prompts > 0) return [line];
        this.#over = true;
      }
      this.#live.push(line);
    }
    return this.wait(now);
  }

  /** Call again and again: an answer without a prompt ends by its pause, a node that knows no `show/dx` by its silence. */
  wait(now: number): readonly Line[] {
    const last = this.#lastPast;
    if (
      !this.#over &&
      now - this.#begun < longestWhole &&
      this.#past.length + this.#live.length < mostLines &&
      (last === null ? now - this.#begun < longestSilence : now - last < longestPause)
    )
      return [];
    this.#over = true;
    const lines = [...oldestFirst(this.#past), ...this.#live];
    this.#past = [];
    this.#live = [];
    return lines;
  }
}

/** Most programs begin with the newest spot; the minutes tell which one does not. */
function oldestFirst<Line extends CatchUpLine>(lines: readonly Line[]): readonly Line[] {
  const first = lines[0]?.past ?? 0;
  const last = lines.at(-1)?.past ?? 0;
  return first < last ? lines : [...lines].reverse();
}
