import { runOnLink } from "./exec.ts";
import { resolveRoute } from "./hop.ts";
import { type Link, openRoute } from "./link.ts";
import type { Mark } from "./mark.ts";
import type { Prompts } from "./prompts.ts";
import {
  becomeRoot,
  composeRequest,
  explainSudoRefusal,
  isSudoRefusal,
  type Root,
} from "./sudo.ts";
import { type LocalTerminal, runOnTerminal, type TerminalResult } from "./terminal.ts";

export type { Prompts } from "./prompts.ts";

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
  /** Resolves once the connection is gone: with the error, or with nothing after `close`. */
  readonly closed: Promise<Error | undefined>;
  close(): Promise<void>;
}

/** Where and as whom to connect. What is left out comes from ssh_config(5), then from OpenSSH's defaults. */
export interface HostTarget {
  /** The host's name in the manifest; for messages. */
  readonly name: string;
  /** A DNS name, an IPv4 or IPv6 address, or an alias of ~/.ssh/config. */
  readonly address: string;
  readonly user?: string;
  readonly port?: number;
  /** Private key file. With it no other key is tried. */
  readonly identity?: string;
  /** Pinned host keys, one of which must be shown: `ssh-ed25519 AAAA…` or `SHA256:…`. known_hosts is then not asked. */
  readonly hostKey?: string | readonly string[];
  /** `[user@]host[:port]`, several separated by commas (first hop first), `none`, or a target of its own. */
  readonly jump?: string | HostTarget;
  /** false: never use sudo. Otherwise it is used when the user is not root, and asks when it must. */
  readonly sudo?: boolean;
}

export interface ConnectOptions {
  readonly prompt: Prompts;
  /** Take the key of a host never seen before and remember it in known_hosts. */
  readonly acceptNewHostKey?: boolean;
  /** HOME, SSH_AUTH_SOCK, USER are read from it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The user's SSH folder; `$HOME/.ssh` without it. */
  readonly sshDirectory?: string;
  /** The system's SSH folder; `/etc/ssh` without it. */
  readonly systemSshDirectory?: string;
  /** Notes that are no errors (an agent that does not answer, a setting that has no effect). Never holds secrets. */
  log?(line: string): void;
  /** Seconds between signs of life (5); after three without an answer the connection counts as lost. */
  readonly keepaliveSeconds?: number;
  /** For the TCP connection (10 s), and once more for the handshake. Time spent on questions does not count. */
  readonly connectTimeoutMs?: number;
  readonly mark?: Mark;
}

/** sshd takes 10 sessions a connection by default (MaxSessions); two stay free. */
const maxParallelCommands = 8;

/**
 * Connects to a host, verifies its key, logs in, and makes sure that commands will run as root.
 *
 * @throws HostkitError host_unreachable, host_key_unknown, host_key_changed, authentication_failed, sudo_failed;
 *   usage or manifest_invalid for a configuration that makes no sense
 */
export async function connect(target: HostTarget, options: ConnectOptions): Promise<Connection> {
  const link = await openRoute(resolveRoute(target, options), options);
  try {
    const isRoot = link.hop.user === "root" ? undefined : options.mark?.("sudo");
    const root = await becomeRoot(link, target, options);
    isRoot?.();
    return new SshConnection(target, link, root);
  } catch (error) {
    void link.end();
    throw error;
  }
}

class SshConnection implements Connection {
  readonly description: string;
  readonly host: string;
  readonly isFar: boolean;
  readonly closed: Promise<Error | undefined>;
  readonly #link: Link;
  readonly #root: Root;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(target: HostTarget, link: Link, root: Root) {
    const { user, address, port } = link.hop;
    this.description = `${user}@${address.includes(":") ? `[${address}]` : address}:${port}`;
    this.host = target.name;
    this.isFar = link.isFar;
    this.closed = link.closed;
    this.#link = link;
    this.#root = root;
  }

  async exec(shellText: string, options: ExecOptions = {}): Promise<ExecResult> {
    if (this.#running >= maxParallelCommands)
      await new Promise<void>((go) => this.#waiting.push(go));
    this.#running++;
    try {
      const result = await runOnLink(
        this.#link,
        composeRequest(this.#root, shellText, this.isFar),
        options,
      );
      if (isSudoRefusal(this.#root, result))
        throw explainSudoRefusal(this.#link, this.host, result);
      return result;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async execOnTerminal(shellText: string, terminal: LocalTerminal): Promise<TerminalResult> {
    return await runOnTerminal(this.#link, this.#root, shellText, terminal);
  }

  async close(): Promise<void> {
    await this.#link.end();
  }
}
