import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Agent } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createProxyServer } from "httpxy";

/** A site of a host, as it is reached from here. */
export interface DevSite {
  /** Its host name: sent as Host and in the TLS handshake. */
  readonly name: string;
  readonly address: string;
  /** false: any certificate will do, as that of a lab host's own CA. */
  readonly verify: boolean;
}

export interface DevProxy {
  /** `http://localhost:8100/` */
  readonly url: string;
  /** Pages that are open in a browser load again. */
  reload(): void;
  close(): void;
}

const livePath = "/.hostkit/live";
/** A script of its own, not inline: sites that allow only their own scripts take it. */
const liveScript = `const source = new EventSource(${JSON.stringify(livePath)});
source.addEventListener("reload", () => location.reload());
`;
/** They would bind a browser to https:// on localhost, or lead it past here. */
const dropped = new Set(["strict-transport-security", "alt-svc", "connection", "keep-alive"]);
const portsToTry = 50;

/**
 * A site under http://localhost: no name, no certificate of the host's has to be known to the browser. Pages get a script
 * that loads them again after a change; everything else, event streams and WebSockets too, passes through as it is.
 * @param port the first one to try; the next free one is taken
 */
export async function openDevProxy(site: DevSite, port: number): Promise<DevProxy> {
  const watchers = new Set<ServerResponse>();
  const proxy = createSiteProxy(site);
  const server = createServer((request, response) => {
    if (request.url === `${livePath}.js`) {
      response.writeHead(200, { "content-type": "text/javascript", "cache-control": "no-store" });
      return void response.end(liveScript);
    }
    if (request.url === livePath) {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.write(": hostkit\n\n");
      watchers.add(response);
      return void response.on("close", () => watchers.delete(response));
    }
    // Only what is not compressed can be added to.
    if (request.headers.accept?.includes("text/html") === true)
      request.headers["accept-encoding"] = "identity";
    void proxy.web(request, response).catch(() => response.destroy());
  });
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    void proxy.ws(request, socket, {}, head).catch(() => socket.destroy());
  });
  const bound = await listen(server, port, portsToTry);
  return {
    url: `http://localhost:${bound}/`,
    reload: () => watchers.forEach((response) => response.write("event: reload\ndata:\n\n")),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Passes requests on to the site, whose answers come back by `passOn`. */
function createSiteProxy(site: DevSite) {
  const proxy = createProxyServer({
    target: { protocol: "https:", host: site.address, port: 443 },
    agent: new Agent({
      keepAlive: true,
      servername: site.name,
      rejectUnauthorized: site.verify,
    }),
    secure: site.verify,
    headers: { host: site.name },
    selfHandleResponse: true,
    ws: true,
  });
  proxy.on("proxyRes", (answer, request, response) =>
    passOn(answer, response, site, request.headers.host ?? "localhost"),
  );
  proxy.on("error", (error, _request, response) => {
    if (response === undefined || !("writeHead" in response)) return void response?.destroy();
    if (!response.headersSent) response.writeHead(502, { "content-type": "text/plain" });
    response.end(`hostkit dev: the host does not answer: ${error.message}\n`);
  });
  return proxy;
}

/** The host's answer: pages with the script, redirects to the site as redirects to here. */
function passOn(
  answer: IncomingMessage,
  response: ServerResponse,
  site: DevSite,
  here: string,
): void {
  const isPage =
    answer.headers["content-type"]?.startsWith("text/html") === true &&
    answer.headers["content-encoding"] === undefined;
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value === undefined || dropped.has(name)) continue;
    if (isPage && (name === "content-length" || name === "etag")) continue;
    response.setHeader(
      name,
      name === "location" ? relocate(String(value), site.name, here) : value,
    );
  }
  response.statusCode = answer.statusCode ?? 502;
  if (!isPage || answer.statusCode === 304) return void answer.pipe(response);
  const parts: Buffer[] = [];
  answer.on("data", (part: Buffer) => parts.push(part));
  answer.on("error", () => response.destroy());
  answer.on("end", () => response.end(addScript(Buffer.concat(parts))));
}

function relocate(location: string, site: string, here: string): string {
  const found = /^https?:\/\/([^/?#]+)(.*)$/s.exec(location);
  return found?.[1]?.toLowerCase() === site ? `http://${here}${found[2] ?? ""}` : location;
}

/** Bytes, not text: the page may be in any encoding in which ASCII is ASCII. */
function addScript(page: Buffer): Buffer {
  const script = Buffer.from(`<script src="${livePath}.js"></script>`);
  const at = page.lastIndexOf("</body>");
  const end = at < 0 ? page.length : at;
  return page.length === 0
    ? page
    : Buffer.concat([page.subarray(0, end), script, page.subarray(end)]);
}

/** On loopback alone. */
async function listen(server: Server, port: number, attempts: number): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    const wanted = attempt < attempts ? port + attempt : 0;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(wanted, "127.0.0.1", () => {
          server.off("error", reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if ((code !== "EADDRINUSE" && code !== "EACCES") || wanted === 0) throw error;
    }
  }
}
