/**
 * Answers that cost the database something are kept, and asked for once however many want them. One past its time is given
 * out a while longer, while a newer one is fetched behind it: nobody waits for it but the first.
 */
interface Kept {
  readonly at: number;
  seconds: number;
  readonly answer: Promise<unknown>;
  renewing: boolean;
}

/** Fresh for as many seconds as it took milliseconds, within these bounds. */
export interface ByCost {
  readonly least: number;
  readonly most: number;
}

export class Memo {
  readonly #kept = new Map<string, Kept>();
  readonly #most = 500;
  readonly #now: () => number;

  /** @param now milliseconds, from any clock that only goes forward. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @param seconds fresh so long; up to six times that, the old answer still goes out while it is renewed. */
  async get<T>(key: string, seconds: number | ByCost, ask: () => Promise<T>): Promise<T> {
    const kept = this.#kept.get(key);
    const age = kept === undefined ? Infinity : this.#now() - kept.at;
    if (kept === undefined || age >= kept.seconds * 6000) return this.#ask(key, seconds, ask);
    if (age >= kept.seconds * 1000 && !kept.renewing) {
      kept.renewing = true;
      // Fails: the next one asks anew.
      void this.#ask(key, seconds, ask, kept).catch(() => undefined);
    }
    return (await kept.answer) as T;
  }

  async #ask<T>(
    key: string,
    seconds: number | ByCost,
    ask: () => Promise<T>,
    former?: Kept,
  ): Promise<T> {
    if (this.#kept.size >= this.#most && !this.#kept.has(key)) this.#kept.clear();
    const begun = this.#now();
    const answer = ask();
    const least = typeof seconds === "number" ? seconds : seconds.least;
    const kept: Kept = { at: begun, seconds: least, answer, renewing: false };
    if (former === undefined) this.#kept.set(key, kept);
    try {
      const value = await answer;
      if (typeof seconds !== "number")
        kept.seconds = Math.min(Math.max(this.#now() - begun, seconds.least), seconds.most);
      if (former !== undefined) this.#kept.set(key, { ...kept, at: this.#now() });
      return value;
    } catch (error) {
      // A failure is not an answer.
      if (former === undefined) this.#kept.delete(key);
      else former.renewing = false;
      throw error;
    }
  }
}
