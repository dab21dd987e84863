import { request } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { isIP, connect as connectSocket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, rootCertificates } from "node:tls";

/** How a TCP connection to a registry is opened: from here, or by a host. */
export type OpenTcp = (target: {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
}) => Promise<Duplex>;

/** What every exchange with one registry has in common. */
export interface Line {
  readonly open: OpenTcp;
  /** PEM; trusted beside the public authorities. */
  readonly ca?: string;
  /** No TLS: only for registries on the loopback of whoever opens the connection. */
  readonly isPlain: boolean;
}

export interface Exchange {
  readonly url: URL;
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxBytes: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Nobody answers as HTTP asks for; `message` is about the connection. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

const connectMs = 10_000;
const exchangeMs = 30_000;

/** Opens TCP connections from this machine. */
export const openFromHere: OpenTcp = ({ address, port, timeoutMs }) =>
  new Promise((resolve, reject) => {
    const socket = connectSocket({ host: address, port, timeout: timeoutMs, noDelay: true });
    socket.once("timeout", () => {
      socket.destroy();
      reject(new Error(`Connection timed out: no answer within ${timeoutMs / 1000} s`));
    });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.setTimeout(0);
      resolve(socket);
    });
  });

/**
 * One request and its whole answer, over a connection of its own. An answer that is too long or too slow is none.
 * @throws NoAnswerError, or what the connection says
 */
export async function exchange(line: Line, asked: Exchange): Promise<Answer> {
  const { url } = asked;
  const address = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port === "" ? (line.isPlain ? 80 : 443) : url.port);
  const opened = await line.open({ address, port, timeoutMs: connectMs });
  // Errors between the connection and the request must not end the process.
  opened.on("error", () => undefined);
  const stream = line.isPlain ? opened : encrypt(opened, address, line.ca);
  try {
    return await within(exchangeMs, stream, talk(stream, asked));
  } finally {
    stream.destroy();
    opened.destroy();
  }
}

function encrypt(socket: Duplex, host: string, ca: string | undefined): Duplex {
  return connectTls({
    socket,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
    ALPNProtocols: ["http/1.1"],
  });
}

function talk(
  stream: Duplex,
  { url, method = "GET", headers = {}, maxBytes }: Exchange,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    stream.once("error", reject);
    const call = request({
      createConnection: () => stream,
      host: url.hostname,
      path: `${url.pathname}${url.search}`,
      method,
      headers: { ...headers, host: url.host, "user-agent": "hostkit" },
    });
    call.once("error", reject);
    call.once("response", (response) => {
      collect(response, maxBytes).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    call.end();
  });
}

async function collect(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new NoAnswerError(`it answers with more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function within<T>(limitMs: number, stream: Duplex, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new NoAnswerError(`Connection timed out: no whole answer within ${limitMs / 1000} s`));
      stream.destroy();
    }, limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}
