/** One statement of an SQL text. */
export interface SqlStatement {
  /** From the end of the statement before, so with the comments above it, to its semicolon. */
  readonly text: string;
  /** Where `text` begins; lines count from 1. */
  readonly begin: number;
  /** Where its first word stands. */
  readonly line: number;
  /** Its first tokens: words in lower case, names in quotes and strings as they are written, signs one by one. */
  readonly tokens: readonly string[];
}

/** Something that PostgreSQL itself could not read, or would not get to see. */
export interface SqlFault {
  readonly line: number;
  readonly message: string;
}

export interface SqlText {
  readonly statements: readonly SqlStatement[];
  readonly faults: readonly SqlFault[];
}

/** Inside parentheses only these many tokens are told: `reindex (verbose, concurrently)`. */
const tokensInside = 24;
const tokensAtMost = 400;

/**
 * The statements of an SQL text, as PostgreSQL's scanner sees them (src/backend/parser/scan.l) and as psql cuts them
 * (src/fe_utils/psqlscan.l): strings with and without backslashes, quoted names, dollar quotes, nested comments, parentheses, bodies
 * in BEGIN ATOMIC. What only psql understands (`\i`, `:'name'`, COPY's data) is a fault: the text goes to the server as it is.
 */
export function splitStatements(text: string): SqlText {
  const scanner = new Scanner(text);
  while (scanner.step());
  return scanner.finish();
}

const space = /[ \t\n\r\f\v]+/y;
const lineComment = /--[^\n\r]*/y;
const word = /[A-Za-z_\u0080-\uFFFF][\w$\u0080-\uFFFF]*/y;
const number = /\d+/y;
const dollarTag = /\$(?:[A-Za-z_\u0080-\uFFFF][\w\u0080-\uFFFF]*)?\$/y;
/** Two strings with a line's end between them are one, and the second is read like the first. */
const continued = /(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]+|--[^\n\r]*[\n\r])*'/y;
const psqlCommand = /\\[^\s\\]*/y;
const psqlVariable = /:(?:'[\w\u0080-\uFFFF]+'|"[\w\u0080-\uFFFF]+"|[A-Za-z_]\w*)/y;

class Scanner {
  readonly #text: string;
  readonly #statements: SqlStatement[] = [];
  readonly #faults: SqlFault[] = [];
  #at = 0;
  #start = 0;
  #first: number | undefined;
  #tokens: string[] = [];
  #parentheses = 0;
  #brackets = 0;
  #atomic = 0;
  #line = 1;
  #counted = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** One token further; false at the end. */
  step(): boolean {
    const text = this.#text;
    const at = this.#at;
    const sign = text[at];
    if (sign === undefined) return false;
    if (this.#take(space) !== undefined || this.#take(lineComment) !== undefined) return true;
    if (sign === "/" && text[at + 1] === "*") return this.#skipComment();
    this.#first ??= at;
    if (sign === "'") return this.#readString(at, false);
    if ((sign === "e" || sign === "E") && text[at + 1] === "'")
      return this.#readString(at + 1, true);
    if (sign === '"') return this.#readQuoted(at, '"', "a name in quotes");
    if (sign === "\\") return this.#refuseCommand();
    if (sign === "$") return this.#readDollar();
    const name = this.#take(word);
    if (name !== undefined) return this.#noteWord(name.toLowerCase());
    if (this.#take(number) !== undefined) return this.#note(text.slice(at, this.#at));
    return this.#readSign(sign);
  }

  finish(): SqlText {
    if (this.#first !== undefined) {
      if (this.#atomic > 0) this.#complain(this.#first, "BEGIN ATOMIC has no END");
      else if (this.#parentheses > 0) this.#complain(this.#first, "a parenthesis is not closed");
      this.#end();
    }
    return { statements: this.#statements, faults: this.#faults };
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #note(token: string): true {
    const isTold = this.#parentheses === 0 || this.#tokens.length < tokensInside;
    if (isTold && this.#tokens.length < tokensAtMost) this.#tokens.push(token);
    return true;
  }

  /** psqlscan.l: only a function's body has semicolons of its own; CASE and END pair inside it. */
  #noteWord(name: string): true {
    if (this.#parentheses === 0 && isRoutine(this.#tokens)) {
      if (this.#atomic > 0 && (name === "begin" || name === "case")) this.#atomic += 1;
      else if (this.#atomic > 0 && name === "end") this.#atomic -= 1;
      else if (name === "atomic" && this.#tokens.at(-1) === "begin") this.#atomic = 1;
    }
    return this.#note(name);
  }

  #readSign(sign: string): boolean {
    if (sign === ":" && this.#isVariable()) {
      const begin = this.#at;
      const variable = this.#take(psqlVariable);
      if (variable !== undefined) {
        this.#complain(begin, `${variable} is a variable of psql, and nothing gives it a value`);
        return true;
      }
    }
    this.#at += 1;
    if (sign === "(") this.#parentheses += 1;
    else if (sign === ")") this.#parentheses = Math.max(0, this.#parentheses - 1);
    else if (sign === "[") this.#brackets += 1;
    else if (sign === "]") this.#brackets = Math.max(0, this.#brackets - 1);
    else if (sign === ";" && this.#parentheses === 0 && this.#atomic === 0) return this.#end();
    return this.#note(sign);
  }

  /** Not a cast, not a slice `a[1:n]`, not a pair `json_object('a':b)`. */
  #isVariable(): boolean {
    const before = this.#text[this.#at - 1] ?? " ";
    return this.#brackets === 0 && !/[\w:'")\]]/.test(before);
  }

  #end(): boolean {
    const first = this.#first ?? this.#start;
    const statement = {
      text: this.#text.slice(this.#start, this.#at),
      begin: this.#lineOf(this.#start),
      line: this.#lineOf(first),
      tokens: this.#tokens,
    };
    this.#start = this.#at;
    this.#first = undefined;
    this.#tokens = [];
    this.#parentheses = 0;
    this.#brackets = 0;
    this.#atomic = 0;
    // A semicolon alone says nothing.
    if (statement.tokens.length > 0) this.#statements.push(statement);
    if (!readsData(statement.tokens)) return true;
    const message =
      "COPY … FROM stdin reads its rows from psql's input; write them as INSERT (pg_dump --inserts)";
    this.#faults.push({ line: statement.line, message });
    // What follows are rows, not statements.
    this.#at = this.#text.length;
    return false;
  }

  #readString(quote: number, hasEscapes: boolean): boolean {
    const begin = this.#at;
    let at = quote;
    for (;;) {
      at += 1;
      while (at < this.#text.length && this.#text[at] !== "'")
        at += hasEscapes && this.#text[at] === "\\" ? 2 : 1;
      if (at >= this.#text.length) return this.#refuseOpen(begin, "a string");
      at += 1;
      if (this.#text[at] === "'") continue;
      if (!hasEscapes) break;
      continued.lastIndex = at;
      const more = continued.exec(this.#text)?.[0];
      if (more === undefined) break;
      at += more.length - 1;
    }
    this.#at = at;
    return this.#note(this.#text.slice(begin, at));
  }

  #readQuoted(begin: number, quote: string, what: string): boolean {
    let at = begin;
    do {
      at = this.#text.indexOf(quote, at + 1);
      if (at < 0) return this.#refuseOpen(begin, what);
      at += 1;
    } while (this.#text[at] === quote);
    this.#at = at;
    return this.#note(this.#text.slice(begin, at));
  }

  #readDollar(): boolean {
    const begin = this.#at;
    const tag = this.#take(dollarTag);
    if (tag === undefined) {
      this.#at += 1;
      return this.#note("$");
    }
    const end = this.#text.indexOf(tag, this.#at);
    if (end < 0) return this.#refuseOpen(begin, `the text in ${tag}`);
    this.#at = end + tag.length;
    return this.#note(this.#text.slice(begin, this.#at));
  }

  #skipComment(): boolean {
    const begin = this.#at;
    let depth = 0;
    const edge = /\/\*|\*\//g;
    edge.lastIndex = begin;
    do {
      const found = edge.exec(this.#text);
      if (found === null) return this.#refuseOpen(begin, "a comment");
      depth += found[0] === "/*" ? 1 : -1;
    } while (depth > 0);
    this.#at = edge.lastIndex;
    return true;
  }

  #refuseCommand(): boolean {
    const begin = this.#at;
    const command = this.#take(psqlCommand) ?? "\\";
    this.#complain(begin, `${command} is a command of psql; only SQL is run`);
    const end = /[\n\r]/g;
    end.lastIndex = this.#at;
    this.#at = end.exec(this.#text)?.index ?? this.#text.length;
    if (this.#tokens.length === 0) this.#first = undefined;
    return true;
  }

  #refuseOpen(begin: number, what: string): false {
    this.#complain(begin, `${what} that begins here does not end`);
    this.#at = this.#text.length;
    this.#first = undefined;
    return false;
  }

  #complain(at: number, message: string): void {
    this.#faults.push({ line: this.#lineOf(at), message });
  }

  /** Asked in rising order, so that a text is counted once. */
  #lineOf(at: number): number {
    if (at < this.#counted) return countLines(this.#text, 0, at) + 1;
    this.#line += countLines(this.#text, this.#counted, at);
    this.#counted = at;
    return this.#line;
  }
}

function countLines(text: string, from: number, to: number): number {
  let lines = 0;
  for (let at = text.indexOf("\n", from); at >= 0 && at < to; at = text.indexOf("\n", at + 1))
    lines += 1;
  return lines;
}

function isRoutine(tokens: readonly string[]): boolean {
  if (tokens[0] !== "create") return false;
  const what = tokens[1] === "or" && tokens[2] === "replace" ? tokens[3] : tokens[1];
  return what === "function" || what === "procedure";
}

function readsData(tokens: readonly string[]): boolean {
  if (tokens[0] !== "copy") return false;
  const from = tokens.lastIndexOf("from");
  return from > 0 && tokens[from + 1] === "stdin";
}
