import type { Mark } from "./mark.ts";
import type { Prompts } from "./prompts.ts";

/** Where and as whom to connect. What is left out comes from ssh_config(5), then from OpenSSH's defaults. */
export interface Destination {
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
  /** `[user@]host[:port]`, several separated by commas (first hop first), `none`, or a destination of its own. */
  readonly jump?: string | Destination;
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
