/** Answers that cost the database something are kept for a few seconds, and asked for once however many want them. */
interface Kept {
  readonly until: number;
  readonly answer: Promise<unknown>;
}

export class Memo {
  readonly #kept = new Map<string, Kept>();
  readonly #most = 500;

  async get<T>(key: string, seconds: number, ask: () => Promise<T>): Promise<T> {
    const now = Date.now();
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.until > now) return (await kept.answer) as T;
    if (this.#kept.size >= this.#most) this.#kept.clear();
    const answer = ask();
    this.#kept.set(key, { until: now + seconds * 1000, answer });
    try {
      return await answer;
    } catch (error) {
      // A failure is not an answer.
      this.#kept.delete(key);
      throw error;
    }
  }
}
