/** One cluster node: is called again when it is lost or silent, and gives way to one that stands in for it when it does not deliver. */
import { backoffSeconds } from "./backoff.ts";
import type { NodeAddress, NodeChoice } from "./config.ts";
import type { Credentials } from "./login.ts";
import { type CallEnd, type CallTiming, type HeardLine, NodeCall } from "./node-call.ts";

export type NodeState = "connecting" | "login" | "connected" | "waiting" | "stopped";

export interface NodeEvents {
  line(line: HeardLine): void;
  heard(): void;
  unreachable(why: string): void;
  state(state: NodeState, why: string | null): void;
}

export interface NodeTiming extends CallTiming {
  /** Seconds. */
  readonly longestBackoff: number;
}

export class ClusterNode {
  readonly #choice: NodeChoice;
  readonly #credentials: Credentials;
  readonly #catchUp: number;
  readonly #timing: NodeTiming;
  readonly #events: NodeEvents;
  #state: NodeState = "stopped";
  #call: NodeCall | null = null;
  #retry: NodeJS.Timeout | null = null;
  #attempt = 0;
  #turn = 0;

  /** @param catchUp past spots to ask for after each log-in; 0 asks for none. */
  constructor(
    choice: NodeChoice,
    credentials: Credentials,
    catchUp: number,
    timing: NodeTiming,
    events: NodeEvents,
  ) {
    this.#choice = choice;
    this.#credentials = credentials;
    this.#catchUp = catchUp;
    this.#timing = timing;
    this.#events = events;
  }

  /** `host:port` of the node that is called now. */
  get name(): string {
    return nameOf(this.#address);
  }

  /** Every address this connection can have. */
  get names(): readonly string[] {
    return this.#choice.map(nameOf);
  }

  get #address(): NodeAddress {
    return this.#choice[this.#turn % this.#choice.length] ?? this.#choice[0];
  }

  get state(): NodeState {
    return this.#state;
  }

  start(): void {
    this.#connect();
  }

  stop(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#call?.hangUp();
    this.#call = null;
    this.#setState("stopped", null);
  }

  #connect(): void {
    this.#setState("connecting", null);
    const plan = {
      address: this.#address,
      credentials: this.#credentials,
      catchUp: this.#catchUp,
      timing: this.#timing,
    };
    this.#call = new NodeCall(plan, {
      reached: () => {
        this.#setState("login", null);
      },
      loggedIn: () => {
        this.#setState("connected", null);
      },
      heard: () => {
        this.#events.heard();
      },
      line: (line) => {
        this.#events.line(line);
      },
      ended: (end) => {
        this.#callAgain(end);
      },
    });
  }

  #callAgain({ why, delivered, absent }: CallEnd): void {
    this.#call = null;
    if (absent) this.#events.unreachable(why);
    // Only a node that delivers has earned a quick second call.
    if (delivered) this.#attempt = 0;
    const seconds = backoffSeconds(this.#attempt++, this.#timing.longestBackoff, Math.random());
    this.#setState("waiting", `${why}; next call in ${seconds.toFixed(1)} s`);
    if (!delivered) this.#turn++;
    this.#retry = setTimeout(() => {
      this.#connect();
    }, seconds * 1000);
  }

  #setState(state: NodeState, why: string | null): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#events.state(state, why);
  }
}

function nameOf(address: NodeAddress): string {
  return `${address.host}:${address.port}`;
}
