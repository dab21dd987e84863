import { createSocket } from "node:dgram";
import { createConnection, isIP } from "node:net";
import { connect } from "node:tls";

/** How a port met a connection from this machine. `none`: there is no way to that address from here. */
export type Answer = "open" | "refused" | "silent" | "none";

/** One attempt takes that long at most. */
const patienceMs = 2000;

/** Connects and goes away again. */
export function tryTcp(host: string, port: number, timeoutMs = patienceMs): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: timeoutMs });
    const settle = (answer: Answer): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => settle("open"));
    // On a busy machine the timer is due before the loop has read what already arrived.
    socket.once("timeout", () => setImmediate(() => settle("silent")));
    socket.once("error", (error: NodeJS.ErrnoException) => settle(answerOf(error.code)));
  });
}

/** Who rejects says so in one of several ways; without a route of our own nothing was asked. */
function answerOf(code: string | undefined): Answer {
  if (code === "ENETUNREACH" || code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") return "none";
  return code === "ETIMEDOUT" ? "silent" : "refused";
}

/** An answer to a site's name; `status` of its first page, or why there is none. */
export type SiteAnswer = { readonly status: number } | { readonly trouble: string };

/**
 * Asks a site by its name, whoever signed its certificate (that is the proxy's business).
 * @param name of the manifest; of `*.example.org` some name below it is taken
 */
export function trySite(
  address: string,
  name: string,
  port = 443,
  timeoutMs = 2 * patienceMs,
): Promise<SiteAnswer> {
  const host = name.replace(/^\*/, "hostkit");
  return new Promise((resolve) => {
    const socket = connect({
      host: address,
      port,
      timeout: timeoutMs,
      // Only reachability is asked here; nothing secret is sent.
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    const settle = (answer: SiteAnswer): void => {
      socket.destroy();
      resolve(answer);
    };
    let head = "";
    socket.once("secureConnect", () => {
      socket.write(requestFirstPage(host));
    });
    socket.on("data", (chunk: Buffer) => {
      head += chunk.toString("latin1");
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
      if (status !== undefined) settle({ status: Number(status) });
      else if (head.length > 64) settle({ trouble: "what answers does not speak HTTP" });
    });
    socket.once("timeout", () => setImmediate(() => settle({ trouble: "no answer in time" })));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      settle({ trouble: describeHandshakeError(error) }),
    );
    socket.once("close", () => settle({ trouble: "the connection was closed without an answer" }));
  });
}

/** Go's TLS, which is Caddy's, says `internal_error` (RFC 8446, 6.2) where it has no certificate for the name. */
function describeHandshakeError({ code, message }: NodeJS.ErrnoException): string {
  return code === "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR"
    ? "the proxy has no certificate for this name (TLS alert internal_error); why, the host tells: journalctl -u caddy"
    : `the TLS handshake fails (${code ?? message})`;
}

function requestFirstPage(host: string): string {
  const shown = isIP(host) === 6 ? `[${host}]` : host;
  return `GET / HTTP/1.1\r\nHost: ${shown}\r\nUser-Agent: hostkit\r\nConnection: close\r\n\r\n`;
}

/**
 * Whether QUIC (HTTP/3) answers: a first packet of a version that nobody speaks has to be answered with a list of versions
 * (RFC 9000, 6.1; RFC 8999, 6).
 */
export function tryQuic(address: string, port = 443, timeoutMs = patienceMs): Promise<boolean> {
  const packet = Buffer.alloc(1200);
  packet.writeUInt8(0xc0, 0);
  packet.writeUInt32BE(0x1a2a3a4a, 1);
  packet.writeUInt8(8, 5);
  packet.write("hostkit1", 6, "latin1");
  packet.writeUInt8(8, 14);
  packet.write("hostkit2", 15, "latin1");
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    let timer: NodeJS.Timeout | undefined;
    const settle = (answers: boolean): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answers);
    };
    timer = setTimeout(() => settle(false), timeoutMs);
    socket.once("message", (answer) =>
      settle(answer.length > 5 && (answer[0] ?? 0) >= 0x80 && answer.readUInt32BE(1) === 0),
    );
    socket.once("error", () => settle(false));
    socket.send(packet, port, address, (error) => {
      if (error !== null) settle(false);
    });
  });
}

/**
 * Asks again, each half second, as long as the answer is not a good one.
 * @param forMs from then on no new attempt begins; 0 or less: one attempt
 */
export async function insist<T>(
  ask: () => Promise<T>,
  isGood: (answer: T) => boolean,
  forMs: number,
): Promise<T> {
  const end = performance.now() + forMs;
  let answer = await ask();
  while (!isGood(answer) && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    answer = await ask();
  }
  return answer;
}
