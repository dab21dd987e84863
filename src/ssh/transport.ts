import { lookup } from "node:dns";
import { connect as connectSocket } from "node:net";
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { HostkitError } from "../errors.ts";
import type { Hop } from "./hop.ts";

/** Milliseconds: an sshd that reads its settings anew (SIGHUP, sshd(8)) starts itself again, and nobody listens meanwhile. */
const restartMs = 1000;

/**
 * Opens the TCP connection to the first hop. Node tries IPv6 and IPv4 addresses in turn (RFC 8305). A port that refuses is tried
 * again for a second.
 * @throws HostkitError host_unreachable
 */
export async function openSocket(hop: Hop): Promise<Duplex> {
  const until = performance.now() + restartMs;
  for (;;) {
    try {
      return await openSocketOnce(hop);
    } catch (error) {
      const isRefused = (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
      if (!isRefused || performance.now() > until) throw explainSocketError(hop, error as Error);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function openSocketOnce(hop: Hop): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({
      host: hop.address,
      port: hop.port,
      noDelay: true,
      lookup,
      ...(hop.family === 0
        ? { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 1000 }
        : { family: hop.family, autoSelectFamily: false }),
    });
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    // On a machine that is too busy the answer may have come before the time was looked at: what waits is read first.
    const timer = setTimeout(
      () =>
        setImmediate(() => {
          if (socket.connecting) fail(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" }));
        }),
      hop.connectTimeoutMs,
    );
    socket.once("error", fail);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

/**
 * Opens the way to the next hop through a connected one (direct-tcpip, RFC 4254 section 7.2).
 * @throws HostkitError host_unreachable
 */
export function openTunnel(through: Client, via: Hop, hop: Hop): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      reject(
        new HostkitError(
          "host_unreachable",
          {
            what: `${hop.name} cannot be reached through the jump host ${via.name}`,
            where: `${via.address}:${via.port} → ${hop.address}:${hop.port}`,
            why,
            next: `try it by hand: ssh -J ${via.user}@${via.address}:${via.port} -p ${hop.port} ${hop.user}@${hop.address}`,
          },
          { cause },
        ),
      );
    };
    let hasExpired = false;
    const timer = setTimeout(() => {
      hasExpired = true;
      fail(`no answer within ${hop.connectTimeoutMs / 1000} s`);
    }, hop.connectTimeoutMs);
    try {
      through.forwardOut("127.0.0.1", 0, hop.address, hop.port, (error, channel) => {
        if (error) return fail(error.message.replace(/^\(SSH\) /, ""), error);
        if (hasExpired) return void channel.destroy();
        clearTimeout(timer);
        resolve(channel);
      });
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error), error);
    }
  });
}

/** Turns what the system says about a TCP connection into what the user can do about it. */
export function explainSocketError(hop: Hop, error: Error): HostkitError {
  const nested = error instanceof AggregateError ? (error.errors as Error[]) : [];
  const details = nested.map((one) => one.message);
  const [what, why, next] = tellSocketError(hop, error);
  return new HostkitError(
    "host_unreachable",
    {
      ...{ what, where: `${hop.address}:${hop.port}`, why, next },
      ...(details.length > 1 && { details }),
    },
    { cause: error },
  );
}

/** What happened, why, and what to do next, by the codes of getaddrinfo(3) and connect(2). */
function tellSocketError(hop: Hop, error: Error): [what: string, why: string, next: string] {
  const code = "code" in error ? String(error.code) : "";
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_FAIL":
    case "EAI_NODATA":
      return [
        `the name ${hop.address} cannot be resolved`,
        code === "EAI_AGAIN" ? "no name server answers" : "DNS does not know it",
        `check \`address\` of ${hop.name}; getent hosts ${hop.address}`,
      ];
    case "ECONNREFUSED":
      return [
        `${hop.name} refuses the connection`,
        `nothing listens on port ${hop.port}, or a firewall rejects it`,
        "check that sshd runs there and on this port",
      ];
    case "ETIMEDOUT":
      return [
        `${hop.name} does not answer`,
        `no TCP connection within ${hop.connectTimeoutMs / 1000} s`,
        "check the address, that the host is up, and the firewalls in between",
      ];
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EADDRNOTAVAIL":
      return [
        `there is no way to ${hop.name}`,
        `${code}: this machine has no route to that address`,
        "check the address and this machine's network (IPv6 too)",
      ];
    default:
      return [`${hop.name} cannot be reached`, error.message, "check the address and the port"];
  }
}
