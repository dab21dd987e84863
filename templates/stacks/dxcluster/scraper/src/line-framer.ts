/** Bytes from a cluster node → lines of text and telnet answers. Bounded memory, no I/O. */

export interface Framed {
  readonly lines: readonly FramedLine[];
  /** What came after the last line end: a prompt waits there. */
  readonly pending: string;
  /** What a polite telnet client answers to the options the node offered. */
  readonly reply: Buffer | null;
}

export interface FramedLine {
  readonly text: string;
  /** The line was longer than the limit; `text` is its beginning. */
  readonly cut: boolean;
}

export const longestLine = 4096;

const iac = 255;
const subnegotiation = 250;
const subnegotiationEnd = 240;
const will = 251;
const wont = 252;
const doOption = 253;
const dont = 254;
/** No cluster program negotiates more; what is longer is no telnet. */
const longestNegotiation = 64;

export class LineFramer {
  #pending: number[] = [];
  #cut = false;
  #telnet: "text" | "command" | "option" | "sub" | "sub-iac" = "text";
  #verb = 0;
  /** A subnegotiation whose end has not come yet. */
  #held: number[] = [];
  readonly #answered = new Set<number>();

  push(chunk: Uint8Array): Framed {
    const lines: FramedLine[] = [];
    const reply: number[] = [];
    for (const byte of chunk) this.#take(byte, lines, reply);
    return {
      lines,
      pending: decode(this.#pending),
      reply: reply.length === 0 ? null : Buffer.from(reply),
    };
  }

  /** Forgets what waits after the last line end: a prompt that was answered must not be read again with its line end. */
  dropPending(): void {
    this.#pending = [];
    this.#cut = false;
  }

  #take(byte: number, lines: FramedLine[], reply: number[]): void {
    switch (this.#telnet) {
      case "text":
        if (byte === iac) this.#telnet = "command";
        else this.#addText(byte, lines);
        return;
      case "command":
        this.#telnet = "text";
        if (byte === subnegotiation) this.#hold(byte, "sub", lines);
        else if (byte >= will && byte <= dont) {
          this.#verb = byte;
          this.#telnet = "option";
        } else if (byte < subnegotiationEnd) {
          // No telnet command: a node that speaks plain Latin-1, where this byte is a letter.
          this.#addText(iac, lines);
          this.#addText(byte, lines);
        } else if (byte === iac) this.#addText(iac, lines);
        return;
      case "option":
        this.#telnet = "text";
        if ((this.#verb === will || this.#verb === doOption) && !this.#answered.has(byte)) {
          this.#answered.add(byte);
          reply.push(iac, this.#verb === will ? dont : wont, byte);
        }
        return;
      case "sub":
        this.#hold(byte, byte === iac ? "sub-iac" : "sub", lines);
        return;
      case "sub-iac":
        if (byte === subnegotiationEnd) {
          this.#telnet = "text";
          this.#held = [];
        } else this.#hold(byte, "sub", lines);
        return;
    }
  }

  /**
   * Garbage may look like the beginning of a subnegotiation, and its end never comes: at the end of the line, or when it
   * is too long, all of it was text. A line that came after it must not be swallowed.
   */
  #hold(byte: number, next: "sub" | "sub-iac", lines: FramedLine[]): void {
    if (byte !== 10 && byte !== 13 && this.#held.length < longestNegotiation) {
      this.#held.push(byte);
      this.#telnet = next;
      return;
    }
    const held = this.#held;
    this.#held = [];
    this.#telnet = "text";
    for (const each of [iac, ...held, byte]) this.#addText(each, lines);
  }

  #addText(byte: number, lines: FramedLine[]): void {
    if (byte !== 10 && byte !== 13) {
      if (this.#pending.length < longestLine) this.#pending.push(byte);
      else this.#cut = true;
      return;
    }
    if (this.#pending.length > 0) lines.push({ text: decode(this.#whole()), cut: this.#cut });
    this.#pending = [];
    this.#cut = false;
  }

  /** Where a line was cut in the middle of a character, that character's bytes would make all of it look like Latin-1. */
  #whole(): readonly number[] {
    if (!this.#cut) return this.#pending;
    let end = this.#pending.length;
    while (end > this.#pending.length - 3 && continuation(this.#pending[end - 1])) end--;
    const first = this.#pending[end - 1] ?? 0;
    const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    return end - 1 + length > this.#pending.length
      ? this.#pending.slice(0, end - 1)
      : this.#pending;
  }
}

const continuation = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x80 && byte < 0xc0;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** UTF-8 where it is valid, else Latin-1: old nodes send what their users typed. PostgreSQL stores no NUL. */
function decode(bytes: readonly number[]): string {
  const buffer = Buffer.from(bytes);
  let text: string;
  try {
    text = utf8.decode(buffer);
  } catch {
    text = buffer.toString("latin1");
  }
  return text.replaceAll("\u0000", "\u2400");
}
