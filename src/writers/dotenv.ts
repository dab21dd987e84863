import { DotenvError, expandVariables } from "./dotenv-variables.ts";

/** One variable of a file, as the last line of its name has it. */
export interface DotenvVariable {
  readonly name: string;
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

/** What stops a file from being read, or one of its lines. Values are never part of it. */
export interface DotenvMistake {
  readonly line: number;
  readonly message: string;
}

export interface Dotenv {
  readonly variables: readonly DotenvVariable[];
  readonly mistakes: readonly DotenvMistake[];
}

/**
 * Reads a `.env` file as `docker compose` reads an `env_file` (compose-go, package dotenv; its tests are the table in
 * test/cases/dotenv). One thing is different: values come from the file alone, never from the environment of whoever calls
 * hostkit, so what compose would look up there is a mistake here, with the line that would say it.
 * @param options.expand false: `$` stands for itself, for files that hold secrets
 */
export function readDotenv(text: string, options: { readonly expand?: boolean } = {}): Dotenv {
  const reader = new Reader(text.replace(/^\ufeff/, ""), options.expand ?? true);
  return reader.read();
}

/** Blanks that are no line break; Go's unicode.IsSpace has these and others. */
const blank = /[\t\v\f\r \u0085\u00a0]/;
const anySpace = /[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

class Reader {
  readonly #text: string;
  readonly #expands: boolean;
  readonly #variables = new Map<string, DotenvVariable>();
  readonly #mistakes: DotenvMistake[] = [];
  #at = 0;
  /** The number of the line of `#counted`. */
  #lineNumber = 1;
  #counted = 0;

  constructor(text: string, expands: boolean) {
    this.#text = text;
    this.#expands = expands;
  }

  read(): Dotenv {
    while (this.#toStatement()) {
      const line = this.#line();
      try {
        this.#readStatement(line);
      } catch (error) {
        if (!(error instanceof DotenvError)) throw error;
        this.#mistakes.push({ line, message: error.message });
        if (error.isFatal) break;
      }
    }
    return { variables: [...this.#variables.values()], mistakes: this.#mistakes };
  }

  #line(): number {
    for (; this.#counted < this.#at; this.#counted++)
      if (this.#text.charAt(this.#counted) === "\n") this.#lineNumber++;
    return this.#lineNumber;
  }

  /** To the next character that is neither blank nor part of a comment; false at the end. */
  #toStatement(): boolean {
    for (;;) {
      while (this.#at < this.#text.length && anySpace.test(this.#text.charAt(this.#at))) this.#at++;
      if (this.#at >= this.#text.length) return false;
      if (this.#text.charAt(this.#at) !== "#") return true;
      this.#toLineEnd();
    }
  }

  #toLineEnd(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  #readStatement(line: number): void {
    const name = this.#readName();
    const value = this.#readValue();
    this.#variables.delete(name);
    this.#variables.set(name, { name, value, line });
  }

  #readName(): string {
    const rest = this.#text.slice(this.#at);
    const begin = /^export[\t\n\f\r ]/.test(rest) ? this.#skipExport() : this.#at;
    let end = begin;
    for (const character of this.#text.slice(begin)) {
      if (/[=:\n]/.test(character)) break;
      if (!blank.test(character) && !/[\p{L}\p{N}_.\-[\]]/u.test(character)) {
        this.#toLineEnd();
        throw new DotenvError(`${JSON.stringify(character)} cannot be part of a variable's name`);
      }
      end += character.length;
    }
    const name = trimEnd(this.#text.slice(begin, end));
    const stop = this.#text.charAt(end);
    this.#at = stop === "" || stop === "\n" ? end : end + 1;
    if (name.includes(" ")) {
      this.#toLineEnd();
      throw new DotenvError("a variable's name has no blanks");
    }
    if (stop === "" || stop === "\n")
      throw new DotenvError(
        `${name} has no value: docker compose would take it from your environment, hostkit does not; write ${name}=… or, for an empty one, ${name}=`,
      );
    if (name === "") {
      this.#toLineEnd();
      throw new DotenvError("there is no name before the value");
    }
    return name;
  }

  #skipExport(): number {
    let at = this.#at + "export".length;
    while (blank.test(this.#text.charAt(at))) at++;
    return at;
  }

  #readValue(): string {
    while (blank.test(this.#text.charAt(this.#at))) this.#at++;
    const quote = this.#text.charAt(this.#at);
    if (quote === '"' || quote === "'") return this.#readQuoted(quote);
    const from = this.#at;
    this.#toLineEnd();
    const [value = ""] = this.#text.slice(from, this.#at).split(" #", 1);
    return this.#expand(trimEnd(value));
  }

  #readQuoted(quote: string): string {
    let inner = "";
    let isEscaped = false;
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      const character = this.#text.charAt(at);
      if (character === quote && !isEscaped) {
        this.#at = at + 1;
        return quote === '"' ? this.#expand(expandEscapes(inner, this.#expands)) : inner;
      }
      if (character === "\\" && !isEscaped) {
        isEscaped = true;
        continue;
      }
      inner += isEscaped && character !== quote ? `\\${character}` : character;
      isEscaped = false;
    }
    throw new DotenvError(`the quote ${quote} has no end`, true);
  }

  #expand(value: string): string {
    if (!this.#expands) return value;
    return expandVariables(value, (name) => this.#variables.get(name)?.value);
  }
}

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && anySpace.test(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

const escapes: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

/** In double quotes; `\0` and three octal digits are a character. What is no escape stays as it stands. */
function expandEscapes(text: string, expands: boolean): string {
  return text.replaceAll(/\\(?:[abcfnrtv$"\\]|0\d{0,3})/g, (match) => {
    const letter = match.charAt(1);
    if (letter === "$") return expands ? "$$" : "$";
    const plain = escapes[letter];
    if (plain !== undefined) return plain;
    if (letter !== "0") return match;
    const digits = match.slice(2);
    const code = /^[0-7]{3}$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
    return code <= 255 ? String.fromCharCode(code) : `\\${digits}`;
  });
}
