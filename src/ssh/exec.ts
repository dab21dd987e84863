import { Readable } from "node:stream";
import type { ClientChannel } from "ssh2";
import { HostkitError } from "../errors.ts";
import type { ExecOptions, ExecResult } from "./connection.ts";
import type { Link } from "./link.ts";

/** What the host's login shell gets. */
export interface ExecRequest {
  readonly command: string;
  /** Sent on standard input ahead of the caller's own. */
  readonly prefix?: Uint8Array;
  /**
   * Something to be let in by: `answer` is sent first, and all the rest only after the line `mark` came on stderr.
   * What stands on stderr up to there is left out. `question` (global) is seen there once; a second time means that the
   * answer was wrong, and the input is closed.
   */
  readonly gate?: { readonly answer: string; readonly mark: string; readonly question: RegExp };
}

export interface RunResult extends ExecResult {
  /** The gate did not open: the command itself was not run, and stderr tells why. */
  readonly isGateShut?: true;
}

/** Bytes: a collected answer, unless the caller says more. */
const maxAnswer = 16 * 1024 * 1024;
/** Milliseconds: a collected answer. */
const maxAnswerMs = 15 * 60_000;

/** Tries to open a channel; together they wait about 4 s. */
const openAttempts = 20;

/**
 * Runs one command on an open link. A status other than 0 is a result.
 * @throws HostkitError host_unreachable when the link is or gets lost, or after `timeoutMs`; run_interrupted on abort;
 *   run_failed when the stream given as stdin fails
 */
export function runOnLink(
  link: Link,
  request: ExecRequest,
  options: ExecOptions = {},
): Promise<RunResult> {
  return new CommandRun(link, request, options).run();
}

class CommandRun {
  readonly #link: Link;
  readonly #request: ExecRequest;
  readonly #options: ExecOptions;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  /** Bytes held, by stream. */
  readonly #held = { stdout: 0, stderr: 0 };
  /** What came on stderr while the gate is shut. */
  #beforeGate: Buffer | undefined;
  #exit: { readonly code: number | null; readonly signal: string | null } | undefined;
  #channel: ClientChannel | undefined;
  #timer: NodeJS.Timeout | undefined;
  #firstByte: NodeJS.Timeout | undefined;
  #isSettled = false;
  #resolve: (result: RunResult) => void = () => undefined;
  #reject: (error: HostkitError) => void = () => undefined;

  constructor(link: Link, request: ExecRequest, options: ExecOptions) {
    this.#link = link;
    this.#request = request;
    this.#options = options;
  }

  run(): Promise<RunResult> {
    const result = new Promise<RunResult>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { signal, firstByteMs } = this.#options;
    const timeoutMs = this.#timeoutMs();
    if (signal?.aborted === true) {
      this.#abort();
      return result;
    }
    signal?.addEventListener("abort", this.#abort, { once: true });
    if (timeoutMs !== undefined) this.#timer = setTimeout(this.#expire, timeoutMs);
    if (firstByteMs !== undefined)
      this.#firstByte = setTimeout(this.#expireFirst, firstByteMs, firstByteMs);
    void this.#link.closed.then((failure) => this.#fail(failure ?? this.#lost()));
    this.#open(1);
    return result;
  }

  #open(attempt: number): void {
    if (this.#isSettled) return;
    try {
      this.#link.client.exec(this.#request.command, (error, channel) => {
        if (error === undefined) return this.#start(channel);
        // sshd counts a session until its process is gone, a little longer than its channel is seen here.
        const isFull = this.#link.failure === undefined && /open failed/i.test(error.message);
        if (isFull && attempt < openAttempts)
          setTimeout(() => this.#open(attempt + 1), 20 * attempt);
        else this.#fail(this.#lost(error));
      });
    } catch (error) {
      this.#fail(this.#lost(error));
    }
  }

  #start(channel: ClientChannel): void {
    this.#channel = channel;
    channel.on("error", () => undefined);
    if (this.#isSettled) return this.#closeChannel();
    const options = this.#options;
    channel.on("data", (chunk: Buffer) => {
      if (this.#isSettled) return;
      clearTimeout(this.#firstByte);
      if (options.onStdout !== undefined) this.#pass(channel, options.onStdout, chunk);
      else if (this.#hold("stdout", chunk)) this.#stdout.push(chunk);
    });
    channel.stderr.on("data", (chunk: Buffer) => {
      if (this.#isSettled) return;
      clearTimeout(this.#firstByte);
      if (this.#beforeGate !== undefined && !this.#hold("stderr", chunk)) return;
      const rest = this.#beforeGate === undefined ? chunk : this.#passGate(channel, chunk);
      if (rest.length === 0) return;
      if (options.onStderr !== undefined) this.#pass(channel.stderr, options.onStderr, rest);
      else if (this.#hold("stderr", rest)) this.#stderr.push(rest);
    });
    channel.on("exit", (code: number | null, signal?: string) => {
      this.#exit = { code, signal: signal ?? null };
    });
    channel.on("close", () => this.#finish());
    const { gate } = this.#request;
    if (gate === undefined) return this.#feed(channel);
    this.#beforeGate = Buffer.alloc(0);
    channel.write(gate.answer);
  }

  /** Gives a chunk to the caller; the host is held up for as long as the caller is not done with it. */
  #pass(from: Readable, take: (chunk: Buffer) => unknown, chunk: Buffer): void {
    try {
      const done = take(chunk);
      if (!(done instanceof Promise)) return;
      from.pause();
      void done.then(() => from.resume());
    } catch (error) {
      if (!(error instanceof HostkitError)) throw error;
      this.#stop(error);
    }
  }

  /** False where it would be more than an answer may be. */
  #hold(stream: "stdout" | "stderr", chunk: Buffer): boolean {
    this.#held[stream] += chunk.length;
    const max = this.#options.maxBytes ?? maxAnswer;
    if (this.#held[stream] <= max) return true;
    this.#stop(tooMuch(this.#link, max));
    return false;
  }

  #timeoutMs(): number | undefined {
    const { timeoutMs, onStdout, stdin } = this.#options;
    const isStream = typeof stdin === "object" && !(stdin instanceof Uint8Array);
    return timeoutMs ?? (onStdout === undefined && !isStream ? maxAnswerMs : undefined);
  }

  /** Sends the rest once the gate is open; returns what of stderr is the command's own. */
  #passGate(channel: ClientChannel, chunk: Buffer): Buffer {
    const { gate } = this.#request;
    const seen = Buffer.concat([this.#beforeGate ?? Buffer.alloc(0), chunk]);
    const at = seen.indexOf(`${gate?.mark ?? ""}\n`);
    if (gate === undefined || at < 0) {
      this.#beforeGate = seen;
      const questions = gate && seen.toString("utf8").match(gate.question);
      if (questions && questions.length > 1) channel.end();
      return Buffer.alloc(0);
    }
    this.#beforeGate = undefined;
    this.#feed(channel);
    return seen.subarray(at + gate.mark.length + 1);
  }

  #feed(channel: ClientChannel): void {
    const { prefix } = this.#request;
    const { stdin } = this.#options;
    if (prefix !== undefined && prefix.length > 0) channel.write(prefix);
    if (stdin === undefined || stdin === "") {
      channel.end();
    } else if (typeof stdin === "string" || stdin instanceof Uint8Array) {
      channel.end(stdin);
    } else {
      stdin.once("error", (error: Error) =>
        this.#stop(
          new HostkitError(
            "run_failed",
            {
              what: `the input of a command on ${this.#link.hop.name} broke off`,
              why: error.message,
            },
            { cause: error },
          ),
        ),
      );
      // pipe() pauses the source while the SSH window is full.
      stdin.pipe(channel);
    }
  }

  #finish(): void {
    // Without an exit status the command did not end by itself.
    if (this.#exit === undefined && this.#link.failure !== undefined)
      return this.#fail(this.#link.failure);
    const isGateShut = this.#beforeGate !== undefined;
    if (this.#beforeGate !== undefined) this.#stderr.push(this.#beforeGate);
    this.#settle();
    this.#resolve({
      code: this.#exit?.code ?? null,
      signal: this.#exit?.signal ?? null,
      stdout: Buffer.concat(this.#stdout).toString("utf8"),
      stderr: Buffer.concat(this.#stderr).toString("utf8"),
      ...(isGateShut && { isGateShut }),
    });
  }

  /** Frees everything the run holds; false when that was done before. */
  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#firstByte);
    const { signal, stdin } = this.#options;
    signal?.removeEventListener("abort", this.#abort);
    if (stdin !== undefined && typeof stdin !== "string" && !(stdin instanceof Uint8Array)) {
      if (this.#channel !== undefined) stdin.unpipe(this.#channel);
      if (stdin instanceof Readable) stdin.destroy();
    }
    return true;
  }

  #fail(error: HostkitError): void {
    if (this.#settle()) this.#reject(error);
  }

  #stop(error: HostkitError): void {
    this.#fail(error);
    this.#closeChannel();
  }

  /** No signal is sent: sshd refuses it for root, and a login user's does not reach what sudo started. */
  #closeChannel(): void {
    try {
      this.#channel?.close();
    } catch {
      // The link is gone already.
    }
  }

  readonly #abort = (): void => {
    const { name } = this.#link.hop;
    const cause: unknown = this.#options.signal?.reason;
    this.#stop(
      new HostkitError("run_interrupted", { what: `a command on ${name} was given up` }, { cause }),
    );
  };

  readonly #expire = (): void => {
    const { name, address, port } = this.#link.hop;
    this.#stop(
      new HostkitError("host_unreachable", {
        what: `a command on ${name} took too long`,
        where: `${address}:${port}`,
        why: `it was not done within ${(this.#timeoutMs() ?? 0) / 1000} s`,
        next: `log in and see what holds it up: ssh ${this.#link.hop.user}@${address}`,
      }),
    );
  };

  readonly #expireFirst = (milliseconds: number): void => {
    const { name, user, address, port } = this.#link.hop;
    this.#stop(
      new HostkitError("host_unreachable", {
        what: `the login shell of ${user} on ${name} does not run what it is sent`,
        where: `${user}@${address}:${port}`,
        why: `not a byte came within ${milliseconds / 1000} s`,
        next: `see what it waits for (its .bashrc, .profile or rc file): ssh ${user}@${address} true`,
      }),
    );
  };

  #lost(cause?: unknown): HostkitError {
    if (this.#link.failure !== undefined) return this.#link.failure;
    const { name, address, port } = this.#link.hop;
    return new HostkitError(
      "host_unreachable",
      {
        what: `${name} runs no more commands over this connection`,
        where: `${address}:${port}`,
        why:
          cause instanceof Error
            ? cause.message.replace(/^\(SSH\) /, "")
            : "the connection is closed",
      },
      { cause },
    );
  }
}

/** An answer without an end. */
export function tooMuch({ hop }: Link, bytes: number): HostkitError {
  const { name, user, address, port } = hop;
  return new HostkitError("run_failed", {
    what: `${name} answers a command with more than ${bytes / 1024 / 1024} MiB`,
    where: `${user}@${address}:${port}`,
    why: "no answer is that long; the command was given up",
    next: `see what the host prints by itself (a .bashrc, .profile or rc file of ${user}): ssh ${user}@${address} true | head`,
  });
}
