/** One cluster node: keeps a connection to it, logs in, hands on its lines, calls again when it is lost or silent. */
import * as net from "node:net";
import { backoffSeconds } from "./backoff.ts";
import type { NodeAddress } from "./config.ts";
import { type FramedLine, LineFramer } from "./line-framer.ts";
import { type Credentials, LoginDialogue } from "./login.ts";

export type NodeState = "connecting" | "login" | "connected" | "waiting" | "stopped";

export interface NodeEvents {
  /** Returns true when the line was a spot. */
  line(line: FramedLine): boolean;
  heard(): void;
  unreachable(why: string): void;
  state(state: NodeState, why: string | null): void;
}

export interface NodeTiming {
  /** Seconds. */
  readonly keepalive: number;
  readonly spotSilence: number;
  readonly longestBackoff: number;
  readonly connectTimeout: number;
  /** Before the callsign is sent to a node that asks for nothing. */
  readonly loginWait: number;
}

export class ClusterNode {
  readonly name: string;
  readonly #address: NodeAddress;
  readonly #credentials: Credentials;
  readonly #timing: NodeTiming;
  readonly #events: NodeEvents;
  #state: NodeState = "stopped";
  #socket: net.Socket | null = null;
  #retry: NodeJS.Timeout | null = null;
  #attempt = 0;

  constructor(
    address: NodeAddress,
    credentials: Credentials,
    timing: NodeTiming,
    events: NodeEvents,
  ) {
    this.name = `${address.host}:${address.port}`;
    this.#address = address;
    this.#credentials = credentials;
    this.#timing = timing;
    this.#events = events;
  }

  get state(): NodeState {
    return this.#state;
  }

  start(): void {
    this.#connect();
  }

  stop(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#setState("stopped", null);
    this.#socket?.destroy();
    this.#socket = null;
  }

  #connect(): void {
    this.#setState("connecting", null);
    const socket = net.connect({
      host: this.#address.host,
      port: this.#address.port,
      noDelay: true,
    });
    this.#socket = socket;
    const framer = new LineFramer();
    const dialogue = new LoginDialogue(this.#credentials);
    let reached = false;
    let why = "closed by the node";
    let silent = false;
    let spoke = false;
    let lastHeard = Date.now();
    let lastSpot = Date.now();
    let lastAsked = Date.now();

    const send = (lines: readonly string[]): void => {
      for (const line of lines) socket.write(`${line}\r\n`);
    };
    const give = (reason: string): void => {
      why = reason;
      socket.destroy();
    };
    const follow = (): void => {
      if (dialogue.phase === "refused") give("the node refused the log-in");
      else if (dialogue.phase === "in" && this.#state !== "connected") {
        lastSpot = Date.now();
        this.#setState("connected", null);
      }
    };

    const connectTimer = setTimeout(() => {
      give(`no answer in ${this.#timing.connectTimeout} s`);
    }, this.#timing.connectTimeout * 1000);
    const loginTimer = setInterval(() => {
      if (!reached || dialogue.phase === "in") return;
      framer.dropPending();
      send(dialogue.waited());
      follow();
    }, this.#timing.loginWait * 1000);
    const pulse = setInterval(
      () => {
        if (!reached) return;
        const now = Date.now();
        if (now - lastHeard > this.#timing.keepalive * 3000) {
          silent = true;
          give("silent: connected, yet nothing came");
        } else if (dialogue.phase === "in" && now - lastSpot > this.#timing.spotSilence * 1000)
          give("no spot for too long");
        else if (now - Math.max(lastHeard, lastAsked) > this.#timing.keepalive * 1000) {
          // An empty line: every cluster program answers with its prompt.
          lastAsked = now;
          socket.write("\r\n");
        }
      },
      Math.max(50, (this.#timing.keepalive * 1000) / 4),
    );

    socket.on("connect", () => {
      reached = true;
      clearTimeout(connectTimer);
      socket.setKeepAlive(true, 30_000);
      lastHeard = Date.now();
      lastAsked = lastHeard;
      this.#setState("login", null);
    });
    socket.on("data", (chunk: Buffer) => {
      lastHeard = Date.now();
      spoke = true;
      this.#events.heard();
      const framed = framer.push(chunk);
      if (framed.reply !== null) socket.write(framed.reply);
      for (const line of framed.lines) {
        if (dialogue.phase !== "in") send(dialogue.hear(line.text));
        if (this.#events.line(line)) {
          lastSpot = lastHeard;
          // Only a node that delivers has earned a quick second call.
          this.#attempt = 0;
        }
      }
      if (dialogue.phase !== "in" && framed.pending !== "") {
        const answer = dialogue.hear(framed.pending);
        // What comes after the log-in may be half a spot.
        if (answer.length > 0 && dialogue.phase === "called") framer.dropPending();
        send(answer);
      }
      follow();
    });
    socket.on("error", (error) => {
      why = error.message;
    });
    socket.on("close", () => {
      clearTimeout(connectTimer);
      clearInterval(loginTimer);
      clearInterval(pulse);
      if (this.#socket !== socket) return;
      this.#socket = null;
      // A node that hangs up without a word is as good as absent; one that says nothing for long is a stall.
      if (!spoke && !silent) this.#events.unreachable(why);
      const seconds = backoffSeconds(this.#attempt++, this.#timing.longestBackoff, Math.random());
      this.#setState("waiting", `${why}; next call in ${seconds.toFixed(1)} s`);
      this.#retry = setTimeout(() => {
        this.#connect();
      }, seconds * 1000);
    });
  }

  #setState(state: NodeState, why: string | null): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#events.state(state, why);
  }
}
