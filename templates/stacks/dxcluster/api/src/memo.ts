/**
 * Answers that cost the database something are kept, and asked for once however many want them. One past its time is given
 * out a while longer, while a newer one is fetched behind it: nobody waits for it but the first.
 */
interface Kept {
  readonly at: number;
  readonly answer: Promise<unknown>;
  renewing: boolean;
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
  async get<T>(key: string, seconds: number, ask: () => Promise<T>): Promise<T> {
    const kept = this.#kept.get(key);
    const age = kept === undefined ? Infinity : this.#now() - kept.at;
    if (kept === undefined || age >= seconds * 6000) return this.#ask(key, ask);
    if (age >= seconds * 1000 && !kept.renewing) {
      kept.renewing = true;
      // Fails: the next one asks anew.
      void this.#ask(key, ask, kept).catch(() => undefined);
    }
    return (await kept.answer) as T;
  }

  async #ask<T>(key: string, ask: () => Promise<T>, former?: Kept): Promise<T> {
    if (this.#kept.size >= this.#most && !this.#kept.has(key)) this.#kept.clear();
    const answer = ask();
    const kept: Kept = { at: this.#now(), answer, renewing: false };
    if (former === undefined) this.#kept.set(key, kept);
    try {
      const value = await answer;
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
