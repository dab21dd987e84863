import type { Duplex } from "node:stream";
import type {
  Connection,
  ExecOptions,
  ExecResult,
  LocalTerminal,
  TerminalResult,
} from "./connection.ts";
import { runOnLink } from "./exec.ts";
import { openForward } from "./forward.ts";
import type { ForwardTarget } from "./forward.ts";
import { resolveRoute } from "./hop.ts";
import { type Link, openRoute } from "./link.ts";
import {
  becomeRoot,
  composeRequest,
  explainSudoRefusal,
  isSudoRefusal,
  type Root,
} from "./sudo.ts";
import type { ConnectOptions, Destination } from "./destination.ts";
import { runOnTerminal } from "./terminal.ts";

/** sshd takes 10 sessions a connection by default (MaxSessions); two stay free. */
const maxParallelCommands = 8;

/**
 * The transport that is there: the ssh2 library. Whatever else is to carry commands (OpenSSH's client) is another `Connection`, and
 * nobody outside this folder sees which.
 *
 * Connects to a host, verifies its key, logs in, and makes sure that commands will run as root.
 *
 * @throws HostkitError host_unreachable, host_key_unknown, host_key_changed, authentication_failed, sudo_failed;
 *   usage or manifest_invalid for a configuration that makes no sense
 */
export async function connect(
  destination: Destination,
  options: ConnectOptions,
): Promise<Connection> {
  const link = await openRoute(resolveRoute(destination, options), options);
  try {
    const isRoot = link.hop.user === "root" ? undefined : options.mark?.("sudo");
    const root = await becomeRoot(link, destination, options);
    isRoot?.();
    return new SshConnection(destination, link, root);
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

  constructor(destination: Destination, link: Link, root: Root) {
    const { user, address, port } = link.hop;
    this.description = `${user}@${address.includes(":") ? `[${address}]` : address}:${port}`;
    this.host = destination.name;
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

  async openTcp(target: ForwardTarget): Promise<Duplex> {
    return await openForward(this.#link, target);
  }

  async close(): Promise<void> {
    await this.#link.end();
  }
}
