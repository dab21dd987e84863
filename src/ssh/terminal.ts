import { randomBytes } from "node:crypto";
import type { ClientChannel } from "ssh2";
import { HostkitError } from "../errors.ts";
import { renderCommandLine } from "../shell/login-shell.ts";
import { quoteWord } from "../shell/quote.ts";
import type { LocalTerminal, TerminalResult } from "./connection.ts";
import type { Link } from "./link.ts";
import type { Root } from "./sudo.ts";

/** Bytes: what a login shell and sudo print before the program begins. */
const maxBefore = 1024 * 1024;
/** What sudo shows when it reads a password. */
const question = "hostkit-sudo-reads-a-password";

/**
 * Runs shell text as root on a terminal of the host (a pty) that this machine's own is joined to: every key goes there,
 * Ctrl-C too, and the window's size follows. sudo's question is answered here, and nothing of it is seen.
 * @throws HostkitError host_unreachable when the link is or gets lost, sudo_failed
 */
export function runOnTerminal(
  link: Link,
  root: Root,
  shellText: string,
  terminal: LocalTerminal,
): Promise<TerminalResult> {
  const mark = `hostkit-${randomBytes(8).toString("hex")}`;
  const script = `echo ${mark}; ${shellText}`;
  const command = renderCommandLine(script) ?? `sh -c ${quoteWord(script)}`;
  const sudo = {
    already: "",
    sudo: "sudo -n ",
    // Asks on the pty, without an echo. -k: even when an earlier answer is remembered.
    password: `env SUDO_PROMPT=${question} sudo -k `,
  }[root.kind];
  const { output } = terminal;
  const window = () => ({ rows: output.rows, cols: output.columns, width: 0, height: 0 });
  return new Promise((resolve, reject) => {
    const lost = (cause?: Error) =>
      link.failure ??
      new HostkitError(
        "host_unreachable",
        {
          what: `${link.hop.name} gives no terminal`,
          where: `${link.hop.address}:${link.hop.port}`,
          why: cause?.message.replace(/^\(SSH\) /, "") ?? "the connection is closed",
        },
        { cause },
      );
    const pty = { ...window(), term: terminal.type };
    link.client.exec(`${sudo}${command}`, { pty }, (error, channel) => {
      if (error !== undefined) return reject(lost(error));
      const session = new Session(channel, root, mark, terminal);
      const resize = (): void => channel.setWindow(output.rows, output.columns, 0, 0);
      output.on("resize", resize);
      let isSettled = false;
      const settle = (end: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        output.off("resize", resize);
        session.leave();
        end();
      };
      void link.closed.then((failure) => settle(() => reject(failure ?? lost())));
      void session.ended.then((result) =>
        settle(() => {
          if (!session.isOpen) reject(link.failure ?? explainShutGate(link, session.said));
          // A program that ended by itself has a status or a signal.
          else if (result.code === null && result.signal === null) reject(lost());
          else resolve(result);
        }),
      );
    });
  });
}

/** The two terminals once they are joined; what comes before the mark is not the program's. */
class Session {
  readonly ended: Promise<TerminalResult>;
  isOpen = false;
  said = "";
  readonly #channel: ClientChannel;
  readonly #root: Root;
  readonly #mark: Buffer;
  readonly #terminal: LocalTerminal;
  #before: Buffer = Buffer.alloc(0);
  #hasAnswered = false;

  constructor(channel: ClientChannel, root: Root, mark: string, terminal: LocalTerminal) {
    this.#channel = channel;
    this.#root = root;
    this.#mark = Buffer.from(`${mark}\r\n`);
    this.#terminal = terminal;
    let exit: TerminalResult = { code: null, signal: null };
    channel.on("error", () => undefined);
    channel.on("data", (chunk: Buffer) => this.#take(chunk));
    channel.on("exit", (code: number | null, signal?: string) => {
      exit = { code, signal: signal ?? null };
    });
    this.ended = new Promise((resolve) => channel.on("close", () => resolve(exit)));
  }

  /** Gives this machine's terminal back. */
  leave(): void {
    const { input } = this.#terminal;
    input.unpipe(this.#channel);
    if (this.isOpen) input.setRawMode(false);
    input.pause();
  }

  #take(chunk: Buffer): void {
    const { input, output } = this.#terminal;
    if (this.isOpen) {
      // A slow terminal slows the host down instead of filling this machine's memory.
      if (!output.write(chunk)) {
        this.#channel.pause();
        output.once("drain", () => this.#channel.resume());
      }
      return;
    }
    if (this.#before.length > maxBefore) return;
    this.#before = Buffer.concat([this.#before, chunk]);
    if (this.#before.length > maxBefore) this.#channel.close();
    const at = this.#before.indexOf(this.#mark);
    if (at < 0) {
      this.said = this.#before.toString("utf8");
      this.#answer();
      return;
    }
    this.isOpen = true;
    const rest = this.#before.subarray(at + this.#mark.length);
    if (rest.length > 0) output.write(rest);
    input.setRawMode(true);
    input.pipe(this.#channel, { end: false });
  }

  #answer(): void {
    const times = this.said.split(question).length - 1;
    if (this.#root.kind !== "password" || times === 0) return;
    if (!this.#hasAnswered) {
      this.#hasAnswered = true;
      this.#channel.write(`${this.#root.password}\n`);
    } else if (times > 1) {
      // The password does not fit any more.
      this.#channel.close();
    }
  }
}

function explainShutGate({ hop }: Link, said: string): HostkitError {
  const lines = said.replaceAll(question, "").trim().split(/\r?\n/).filter(Boolean);
  return new HostkitError("sudo_failed", {
    what: `no program could be started as root on a terminal of ${hop.name}`,
    where: `${hop.user}@${hop.address}:${hop.port}`,
    why: lines.at(-1)?.replace(/^sudo: /, "") ?? "sudo ended without a word",
    next: `try it by hand: ssh -t ${hop.user}@${hop.address} sudo true`,
  });
}
