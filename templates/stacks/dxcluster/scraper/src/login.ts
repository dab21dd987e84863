/**
 * The log-in dialogue of the cluster programs: DXSpider (`login:`), AR-Cluster and CC Cluster
 * (`Please enter your call:`), RBN and CW Skimmer servers (`Please enter your callsign:`), then sometimes a password. Pure.
 */
export interface Credentials {
  readonly callsign: string;
  readonly password: string | null;
  /** Sent once after the log-in, one a line: filters, `unset/beep`, `show/dx/100`, … */
  readonly commands: readonly string[];
}

export type LoginPhase = "waiting" | "called" | "in" | "refused";

const asksForCall = /(?:\blogin|\buser(?:name)?|\bcall ?(?:sign)?)\b[^\n]{0,40}[:>?]\s*$/i;
const asksForPassword = /\bpass(?:word|code)?\b[^\n]{0,20}[:>?]\s*$/i;
/** AR-Cluster wants to know new users, and takes whatever comes next for the answer. */
const asksForName = /^please enter your name\s*[:?>]?\s*$/i;
const asksWhetherCorrect = /\bis this correct\s*\?\s*\(y(?:es)? or n(?:o)?\)[\s:?>]*$/i;
const refuses =
  /\b(?:invalid|illegal|not a valid|bad)\b.{0,24}\b(?:call(?:sign)?|login|password)\b|\bcall(?:sign)?\b.{0,24}\b(?:invalid|not allowed|banned)\b|\blocked out\b|^sorry\b/i;

export class LoginDialogue {
  readonly #credentials: Credentials;
  #phase: LoginPhase = "waiting";

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  get phase(): LoginPhase {
    return this.#phase;
  }

  /** Text that came: a whole line, or what waits after the last line end. Returns the lines to send. */
  hear(text: string): readonly string[] {
    if (this.#phase !== "waiting" && text.length < 200) {
      if (asksForName.test(text)) return [this.#credentials.callsign];
      if (asksWhetherCorrect.test(text)) return ["y"];
    }
    switch (this.#phase) {
      case "waiting":
        return asksForCall.test(text) ? this.#call() : [];
      case "called":
        if (asksForPassword.test(text)) {
          if (this.#credentials.password === null) return this.#refuse();
          return [this.#credentials.password];
        }
        if (refuses.test(text) || asksForCall.test(text)) return this.#refuse();
        // The echo of the callsign is not an answer yet.
        if (text.trim() === "" || text.trim() === this.#credentials.callsign) return [];
        return this.#enter();
      default:
        return [];
    }
  }

  /** Nothing was asked for a while: some nodes wait silently for the callsign, some have nothing to say after it. */
  waited(): readonly string[] {
    if (this.#phase === "waiting") return this.#call();
    if (this.#phase === "called") return this.#enter();
    return [];
  }

  #call(): readonly string[] {
    this.#phase = "called";
    return [this.#credentials.callsign];
  }

  #enter(): readonly string[] {
    this.#phase = "in";
    return this.#credentials.commands;
  }

  #refuse(): readonly string[] {
    this.#phase = "refused";
    return [];
  }
}
