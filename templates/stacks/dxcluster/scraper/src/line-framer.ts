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

export class LineFramer {
  #pending: number[] = [];
  #cut = false;
  #telnet: "text" | "command" | "option" | "sub" | "sub-iac" = "text";
  #verb = 0;
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
        if (byte === subnegotiation) this.#telnet = "sub";
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
        if (byte === iac) this.#telnet = "sub-iac";
        return;
      case "sub-iac":
        this.#telnet = byte === subnegotiationEnd ? "text" : "sub";
        return;
    }
  }

  #addText(byte: number, lines: FramedLine[]): void {
    if (byte !== 10 && byte !== 13) {
      if (this.#pending.length < longestLine) this.#pending.push(byte);
      else this.#cut = true;
      return;
    }
    if (this.#pending.length > 0) lines.push({ text: decode(this.#pending), cut: this.#cut });
    this.#pending = [];
    this.#cut = false;
  }
}

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
