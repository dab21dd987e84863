/**
 * One call to a cluster node, from dialling to the end: logs in, asks what was said before, hands on lines, and hangs up on a
 * node that is silent or sends no spots.
 */
import * as net from "node:net";
import { type ParsedLine, parseLine } from "../../radio/parse-line.ts";
import { CatchUp } from "./catch-up.ts";
import type { NodeAddress } from "./config.ts";
import { type FramedLine, LineFramer } from "./line-framer.ts";
import { type Credentials, LoginDialogue } from "./login.ts";
import { Silence, type SilenceLimits } from "./silence.ts";

export interface HeardLine extends FramedLine {
  readonly parsed: ParsedLine;
  /** Epoch milliseconds of its arrival. */
  readonly at: number;
}

/** Seconds. */
export interface CallTiming extends SilenceLimits {
  readonly connectTimeout: number;
  /** Before the callsign is sent to a node that asks for nothing. */
  readonly loginWait: number;
}

export interface CallEnd {
  readonly why: string;
  /** A live spot came. */
  readonly delivered: boolean;
  /** It hung up without a word, which is as good as absent; one that says nothing for long is a stall. */
  readonly absent: boolean;
}

export interface CallEvents {
  reached(): void;
  loggedIn(): void;
  heard(): void;
  line(line: HeardLine): void;
  ended(end: CallEnd): void;
}

export interface CallPlan {
  readonly address: NodeAddress;
  readonly credentials: Credentials;
  /** Past spots to ask for after the log-in; 0 asks for none. */
  readonly catchUp: number;
  readonly timing: CallTiming;
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

export class NodeCall {
  readonly #plan: CallPlan;
  readonly #events: CallEvents;
  readonly #socket: net.Socket;
  readonly #framer = new LineFramer();
  readonly #commands: readonly string[];
  readonly #dialogue: LoginDialogue;
  readonly #silence: Silence;
  readonly #connectTimer: NodeJS.Timeout;
  readonly #loginTimer: NodeJS.Timeout;
  readonly #pulse: NodeJS.Timeout;
  #past: CatchUp<WaitingLine> | null = null;
  #why = "closed by the node";
  #isReached = false;
  #isLoggedIn = false;
  #spoke = false;
  #wasSilent = false;
  #delivered = false;
  #hungUp = false;

  /** Dials. */
  constructor(plan: CallPlan, events: CallEvents) {
    const { address, credentials, catchUp, timing } = plan;
    this.#plan = plan;
    this.#events = events;
    this.#commands = [
      ...credentials.commands,
      // Every cluster program takes this form; one that knows no history says so in a line nobody keeps.
      ...(catchUp > 0 ? [`show/dx/${catchUp}`] : []),
    ];
    this.#dialogue = new LoginDialogue({ ...credentials, commands: this.#commands });
    this.#silence = new Silence(timing, Date.now());
    this.#socket = net.connect({ host: address.host, port: address.port, noDelay: true });
    this.#connectTimer = setTimeout(() => {
      this.#giveUp(`no answer in ${timing.connectTimeout} s`);
    }, timing.connectTimeout * 1000);
    this.#loginTimer = setInterval(() => {
      this.#speakFirst();
    }, timing.loginWait * 1000);
    this.#pulse = setInterval(
      () => {
        this.#listenForSilence();
      },
      Math.min(500, Math.max(50, (timing.keepalive * 1000) / 4)),
    );
    this.#socket.on("connect", () => {
      this.#reach();
    });
    this.#socket.on("data", (chunk: Buffer) => {
      this.#take(chunk);
    });
    this.#socket.on("error", (error) => {
      this.#why = error.message;
    });
    this.#socket.on("close", () => {
      this.#end();
    });
  }

  /** Hands on what waited, and ends without another word: `ended` is not called. */
  hangUp(): void {
    this.#handAll();
    this.#hungUp = true;
    this.#socket.destroy();
  }

  #reach(): void {
    this.#isReached = true;
    clearTimeout(this.#connectTimer);
    this.#socket.setKeepAlive(true, 30_000);
    this.#silence.reached(Date.now());
    this.#events.reached();
  }

  #take(chunk: Buffer): void {
    const now = Date.now();
    this.#silence.heard(now);
    this.#spoke = true;
    this.#events.heard();
    const framed = this.#framer.push(chunk);
    if (framed.reply !== null) this.#socket.write(framed.reply);
    for (const line of framed.lines) this.#takeLine(readLine(line, now), now);
    if (framed.pending !== "") {
      const answer = this.#dialogue.hear(framed.pending);
      // What comes after the log-in may be half a spot.
      if (answer.length > 0 && this.#dialogue.phase === "called") this.#framer.dropPending();
      this.#send(answer);
    }
    this.#follow();
  }

  #takeLine(line: WaitingLine, now: number): void {
    if (line.parsed.kind === "spot" && line.past === null) {
      this.#silence.spot(now);
      this.#delivered = true;
    }
    if (this.#dialogue.phase !== "in" || line.other) {
      this.#send(this.#dialogue.hear(line.text));
      this.#follow();
    }
    this.#hand(this.#past?.take(line, now) ?? [line]);
  }

  /** Nothing was asked for a while. */
  #speakFirst(): void {
    if (!this.#isReached || this.#dialogue.phase === "in") return;
    this.#framer.dropPending();
    this.#send(this.#dialogue.waited());
    this.#follow();
  }

  /** What the dialogue has come to. */
  #follow(): void {
    if (this.#dialogue.phase === "refused") this.#giveUp("the node refused the log-in");
    else if (this.#dialogue.phase === "in" && !this.#isLoggedIn) {
      this.#isLoggedIn = true;
      const now = Date.now();
      this.#silence.spot(now);
      if (this.#plan.catchUp > 0) this.#past = new CatchUp(now, this.#commands.length + 1);
      this.#events.loggedIn();
    }
  }

  #listenForSilence(): void {
    if (!this.#isReached) return;
    const now = Date.now();
    this.#hand(this.#past?.wait(now) ?? []);
    const verdict = this.#silence.judge(now, this.#dialogue.phase === "in");
    if (verdict === "silent") {
      this.#wasSilent = true;
      this.#giveUp("silent: connected, yet nothing came");
    } else if (verdict === "no spots") this.#giveUp("no spot for too long");
    else if (verdict === "ask") {
      // An empty line: every cluster program answers with its prompt.
      this.#silence.asked(now);
      this.#socket.write("\r\n");
    }
  }

  #giveUp(why: string): void {
    this.#why = why;
    this.#socket.destroy();
  }

  #end(): void {
    clearTimeout(this.#connectTimer);
    clearInterval(this.#loginTimer);
    clearInterval(this.#pulse);
    if (this.#hungUp) return;
    this.#handAll();
    this.#events.ended({
      why: this.#why,
      delivered: this.#delivered,
      absent: !this.#spoke && !this.#wasSilent,
    });
  }

  #send(lines: readonly string[]): void {
    for (const line of lines) this.#socket.write(`${line}\r\n`);
  }

  #hand(lines: readonly WaitingLine[]): void {
    for (const line of lines) this.#events.line(line);
    if (this.#past?.over === true) this.#past = null;
  }

  /** What waited for the end of an answer that will not come. */
  #handAll(): void {
    this.#hand(this.#past?.wait(Number.POSITIVE_INFINITY) ?? []);
  }
}
