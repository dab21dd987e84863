/** Asks the API of the place the page came from, hears new spots by server-sent events, knows when neither answers. */
import type { Spot } from "./spots.ts";

/** `lost`: the stream broke a moment ago, and whether the API still answers is not known yet. */
export type State = "live" | "lost" | "polling" | "away" | "waiting";

export interface Listener {
  /** Spots that just came through the stream. */
  spots(arrived: readonly Spot[]): void;
  /** The stream is open, for the first time or again: something may have been missed. */
  opened(): void;
  /** The stream broke: time to ask whether anybody is there. */
  lost(): void;
  /** `state` or `awaySince` may be others now. */
  changed(): void;
}

export class Connection {
  readonly #listener: Listener;
  #streaming = false;
  #answered = false;
  #lost = false;
  #awaySince: number | null = null;
  #watch: ReturnType<typeof setTimeout> | undefined;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  get state(): State {
    if (this.#streaming) return "live";
    if (this.#awaySince !== null) return "away";
    if (this.#lost) return "lost";
    return this.#answered ? "polling" : "waiting";
  }

  /** Epoch milliseconds; null while the API answers. */
  get awaySince(): number | null {
    return this.#streaming ? null : this.#awaySince;
  }

  /** The answer's body, or null when there is none: no network, no API, no database behind it. */
  async ask<T>(path: string): Promise<T | null> {
    try {
      const response = await fetch(path, {
        signal: AbortSignal.timeout(8000),
        headers: { accept: "application/json" },
      });
      // 4xx is an answer: the API is there and did not like the question.
      if (response.status >= 500) throw new Error(String(response.status));
      const body = response.ok ? ((await response.json()) as T) : null;
      this.#answered = true;
      this.#lost = false;
      this.#awaySince = null;
      return body;
    } catch {
      if (!this.#streaming) this.#awaySince ??= Date.now();
      return null;
    } finally {
      this.#listener.changed();
    }
  }

  listen(): void {
    const source = new EventSource("/api/spots/stream");
    source.addEventListener("open", () => {
      this.#streaming = true;
      this.#answered = true;
      this.#lost = false;
      this.#awaySince = null;
      this.#listener.changed();
      this.#listener.opened();
    });
    source.addEventListener("spot", (event) => {
      this.#listener.spots([JSON.parse((event as MessageEvent<string>).data) as Spot]);
    });
    source.addEventListener("error", () => {
      const broke = this.#streaming;
      this.#streaming = false;
      if (broke) {
        this.#lost = true;
        this.#listener.lost();
      }
      this.#listener.changed();
      // The browser gives up after an answer that is no stream (a proxy's 502); it does not after a lost connection.
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(this.#watch);
      this.#watch = setTimeout(() => {
        this.listen();
      }, 2000);
    });
  }
}
