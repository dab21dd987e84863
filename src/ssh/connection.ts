import type { Duplex } from "node:stream";
import type { ForwardTarget } from "./forward.ts";

/** One command on a host. */
export interface ExecOptions {
  /** Sent to the command's standard input, which is then closed. Without it the input is empty. */
  readonly stdin?: string | Uint8Array | NodeJS.ReadableStream;
  /**
   * Takes the output as it comes; `stdout` of the result is then empty. The host waits while a promise is pending. Throwing a
   * HostkitError closes the channel, and `exec` rejects with it.
   */
  onStdout?(chunk: Buffer): unknown;
  onStderr?(chunk: Buffer): unknown;
  /** More than this on stdout or on stderr (what is not taken as it comes) is no answer: `run_failed`. Default 16 MiB. */
  readonly maxBytes?: number;
  /** A first byte must come within this time, or the login shell does not start commands: `host_unreachable`. */
  readonly firstByteMs?: number;
  /** Aborting closes the channel and rejects with `run_interrupted`. */
  readonly signal?: AbortSignal;
  /**
   * It only reads, or may be done twice: where the connection is lost meanwhile and is one that can be replaced, it is done once more, and
   * this is called before. What `onStdout` was given until then is to be forgotten.
   */
  onRepeat?(): void;
  /**
   * Longest run time; then the channel is closed and the promise rejects with `host_unreachable`. Default: a quarter of an hour where
   * the answer is collected and the input is no stream, else none.
   */
  readonly timeoutMs?: number;
}

export interface ExecResult {
  /** Exit status; null when a signal ended the command. */
  readonly code: number | null;
  /** `SIGKILL`, … or null. */
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A terminal of this machine, lent to a program on a host. */
export interface LocalTerminal {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  /** `xterm-256color` */
  readonly type: string;
}

export interface TerminalResult {
  /** Exit status; null when a signal ended the program. */
  readonly code: number | null;
  readonly signal: string | null;
}

/** An open way to run commands as root on one host. */
export interface Connection {
  /** `deploy@dx1.example.org:22` */
  readonly description: string;
  /** The host's name in the manifest. */
  readonly host: string;
  /** A round trip takes so long that packing what is sent is worth the work. */
  readonly isFar: boolean;
  /** Runs shell text as root under POSIX `sh`. A status other than 0 is a result, not an error. */
  exec(shellText: string, options?: ExecOptions): Promise<ExecResult>;
  /** Runs shell text as root on a terminal of the host, joined to one of this machine. */
  execOnTerminal(shellText: string, terminal: LocalTerminal): Promise<TerminalResult>;
  /**
   * A TCP connection that the host opens: what only it can reach can be asked, and nothing has to be installed there.
   * @throws ForwardError when the host reached nobody
   */
  openTcp(target: ForwardTarget): Promise<Duplex>;
  /** Resolves once the connection is gone: with the error, or with nothing after `close`. */
  readonly closed: Promise<Error | undefined>;
  close(): Promise<void>;
}
