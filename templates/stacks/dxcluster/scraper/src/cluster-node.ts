/**
 * One cluster node: keeps a connection to it, logs in, asks what it said before, hands on its lines, calls again when it
 * is lost or silent, and calls a node that stands in for it when it does not deliver.
 */
import * as net from "node:net";
import { type ParsedLine, parseLine } from "../../radio/parse-line.ts";
import { backoffSeconds } from "./backoff.ts";
import { CatchUp } from "./catch-up.ts";
import type { NodeAddress, NodeChoice } from "./config.ts";
import { type FramedLine, LineFramer } from "./line-framer.ts";
import { type Credentials, LoginDialogue } from "./login.ts";

export type NodeState = "connecting" | "login" | "connected" | "waiting" | "stopped";

export interface HeardLine extends FramedLine {
  readonly parsed: ParsedLine;
  /** Epoch milliseconds of its arrival. */
  readonly at: number;
}

export interface NodeEvents {
  line(line: HeardLine): void;
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

interface WaitingLine extends HeardLine {
  readonly past: number | null;
  readonly other: boolean;
  readonly ends: boolean;
}

const endOfAnswer = />\s*$|\b(?:unknown|invalid) command\b/i;

function readLine(line: FramedLine, at: number): WaitingLine {
  const parsed = parseLine(line.text, at);
  const past = parsed.kind === "spot" && parsed.replayed ? parsed.time.getTime() : null;
  const other = parsed.kind === "other";
  return { ...line, parsed, at, past, other, ends: other && endOfAnswer.test(line.text) };
}

export class ClusterNode {
  readonly #choice: NodeChoice;
  readonly #credentials: Credentials;
  readonly #catchUp: number;
  readonly #timing: NodeTiming;
  readonly #events: NodeEvents;
  #state: NodeState = "stopped";
  #socket: net.Socket | null = null;
  #retry: NodeJS.Timeout | null = null;
  #attempt = 0;
  #turn = 0;
  #past: CatchUp<WaitingLine> | null = null;

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
    this.#handAll();
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
    const commands = [
      ...this.#credentials.commands,
      // Every cluster program takes this form; one that knows no history says so in a line nobody keeps.
      ...(this.#catchUp > 0 ? [`show/dx/${this.#catchUp}`] : []),
    ];
    const dialogue = new LoginDialogue({ ...this.#credentials, commands });
    let delivered = false;
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
        if (this.#catchUp > 0) this.#past = new CatchUp(lastSpot, commands.length + 1);
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
        this.#hand(this.#past?.wait(now) ?? []);
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
      Math.min(500, Math.max(50, (this.#timing.keepalive * 1000) / 4)),
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
      for (const framedLine of framed.lines) {
        const line = readLine(framedLine, lastHeard);
        if (line.parsed.kind === "spot" && line.past === null) {
          lastSpot = lastHeard;
          delivered = true;
          // Only a node that delivers has earned a quick second call.
          this.#attempt = 0;
        }
        if (dialogue.phase !== "in" || line.other) {
          send(dialogue.hear(line.text));
          follow();
        }
        this.#hand(this.#past?.take(line, lastHeard) ?? [line]);
      }
      if (framed.pending !== "") {
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
      this.#handAll();
      // A node that hangs up without a word is as good as absent; one that says nothing for long is a stall.
      if (!spoke && !silent) this.#events.unreachable(why);
      const seconds = backoffSeconds(this.#attempt++, this.#timing.longestBackoff, Math.random());
      const tells = `${why}; next call in ${seconds.toFixed(1)} s`;
      this.#setState("waiting", tells);
      if (!delivered) this.#turn++;
      this.#retry = setTimeout(() => {
        this.#connect();
      }, seconds * 1000);
    });
  }

  #hand(lines: readonly WaitingLine[]): void {
    for (const line of lines) this.#events.line(line);
    if (this.#past?.over === true) this.#past = null;
  }

  /** What waited for the end of an answer that will not come. */
  #handAll(): void {
    this.#hand(this.#past?.wait(Number.POSITIVE_INFINITY) ?? []);
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
