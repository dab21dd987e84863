import type { Duplex } from "node:stream";
import { HostkitError } from "../errors.ts";
import type { Link } from "./link.ts";

/** Reason of RFC 4254, section 5.1, with which sshd refuses what its configuration forbids. */
const administrativelyProhibited = 1;

/** Why the host opened no connection, in its own words. */
export class ForwardError extends Error {
  override readonly name = "ForwardError";
}

/**
 * Opens a TCP connection from the host to somewhere else (direct-tcpip, RFC 4254 section 7.2); the host resolves the name.
 * @throws ForwardError when the host reached nobody; HostkitError host_unreachable when it opens no connections for others
 */
export function openForward(
  { client, hop }: Pick<Link, "client" | "hop">,
  { address, port, timeoutMs }: ForwardTarget,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    let hasExpired = false;
    const timer = setTimeout(() => {
      hasExpired = true;
      reject(new ForwardError(`Connection timed out: no answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    const fail = (error: Error & { readonly reason?: number }): void => {
      clearTimeout(timer);
      reject(
        error.reason === administrativelyProhibited
          ? explainProhibited(hop.name, error)
          : new ForwardError(error.message.replace(/^\(SSH\) (?:Channel open failure: )?/, "")),
      );
    };
    try {
      client.forwardOut("127.0.0.1", 0, address, port, (error, channel) => {
        if (error !== undefined) return fail(error);
        if (hasExpired) return void channel.destroy();
        clearTimeout(timer);
        resolve(channel);
      });
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

export interface ForwardTarget {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
}

function explainProhibited(host: string, cause: Error): HostkitError {
  return new HostkitError(
    "host_unreachable",
    {
      what: `${host} opens no connections for others`,
      why: "its sshd forbids it (AllowTcpForwarding, PermitOpen, or the key's own options)",
      next: "ask from this machine: the same command with --here",
    },
    { cause },
  );
}
