/** Tells from the times of what came whether a cluster node still delivers. Milliseconds in, no clock, no I/O. */
export interface SilenceLimits {
  /** Seconds without a word, after which the node is asked for one; three times as long is too long. */
  readonly keepalive: number;
  /** Seconds without a live spot. */
  readonly spotSilence: number;
}

export type Verdict = "well" | "ask" | "silent" | "no spots";

export class Silence {
  readonly #limits: SilenceLimits;
  #lastHeard: number;
  #lastSpot: number;
  #lastAsked: number;

  constructor(limits: SilenceLimits, now: number) {
    this.#limits = limits;
    this.#lastHeard = now;
    this.#lastSpot = now;
    this.#lastAsked = now;
  }

  reached(now: number): void {
    this.#lastHeard = now;
    this.#lastAsked = now;
  }

  heard(now: number): void {
    this.#lastHeard = now;
  }

  asked(now: number): void {
    this.#lastAsked = now;
  }

  /** A live spot came; or they may come from now on. */
  spot(now: number): void {
    this.#lastSpot = now;
  }

  /** @param isLoggedIn spots are only expected of a node that has let us in */
  judge(now: number, isLoggedIn: boolean): Verdict {
    const { keepalive, spotSilence } = this.#limits;
    if (now - this.#lastHeard > keepalive * 3000) return "silent";
    if (isLoggedIn && now - this.#lastSpot > spotSilence * 1000) return "no spots";
    return now - Math.max(this.#lastHeard, this.#lastAsked) > keepalive * 1000 ? "ask" : "well";
  }
}
