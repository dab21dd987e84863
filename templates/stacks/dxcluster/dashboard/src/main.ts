/**
 * Serves the dashboard's page from memory. Listens on $PORT (8050). The page asks /api/* of the place it came from;
 * where no proxy stands in front, API_URL names the API and this server passes those requests on.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as http from "node:http";
import * as path from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

interface Page {
  readonly type: string;
  readonly etag: string;
  /** Its name changes with its content. */
  readonly forever: boolean;
  readonly plain: Buffer;
  readonly gzip: Buffer;
  readonly brotli: Buffer;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json; charset=utf-8",
};

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

function loadPages(folder: string): Map<string, Page> {
  const pages = new Map<string, Page>();
  for (const name of fs.readdirSync(folder)) {
    const plain = fs.readFileSync(path.join(folder, name));
    const page: Page = {
      type: types[path.extname(name)] ?? "application/octet-stream",
      etag: `"${createHash("sha256").update(plain).digest("hex").slice(0, 20)}"`,
      forever: /-[A-Z0-9]{8}\.js$/.test(name),
      plain,
      gzip: gzipSync(plain, { level: 9 }),
      brotli: brotliCompressSync(plain),
    };
    pages.set(`/${name}`, page);
    if (name === "index.html") pages.set("/", page);
  }
  return pages;
}

function sendPage(page: Page, request: http.IncomingMessage, response: http.ServerResponse): void {
  const headers: http.OutgoingHttpHeaders = {
    "content-type": page.type,
    "cache-control": page.forever ? "public, max-age=31536000, immutable" : "no-cache",
    etag: page.etag,
    vary: "accept-encoding",
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  };
  if (request.headers["if-none-match"] === page.etag) {
    response.writeHead(304, headers).end();
    return;
  }
  const accepted = request.headers["accept-encoding"] ?? "";
  let body = page.plain;
  if (/\bbr\b/.test(accepted)) {
    headers["content-encoding"] = "br";
    body = page.brotli;
  } else if (/\bgzip\b/.test(accepted)) {
    headers["content-encoding"] = "gzip";
    body = page.gzip;
  }
  response.writeHead(200, { ...headers, "content-length": body.length });
  response.end(request.method === "HEAD" ? undefined : body);
}

function passOn(api: URL, request: http.IncomingMessage, response: http.ServerResponse): void {
  const upstream = http.request(
    {
      host: api.hostname,
      port: api.port,
      method: request.method,
      path: request.url,
      headers: { ...request.headers, host: api.host },
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    },
  );
  upstream.on("error", () => {
    if (response.headersSent) response.destroy();
    else
      response
        .writeHead(502, { "content-type": "application/json" })
        .end('{"error":"Bad gateway","message":"The API is away"}');
  });
  response.on("close", () => upstream.destroy());
  request.pipe(upstream);
}

const pages = loadPages(path.join(__dirname, "public"));
const api = process.env["API_URL"] === undefined ? null : new URL(process.env["API_URL"]);
const port = Number(process.env["PORT"] ?? 8050);

const server = http.createServer((request, response) => {
  const name = (request.url ?? "/").split("?")[0] ?? "/";
  if (name === "/health") {
    response
      .writeHead(200, { "content-type": "application/json", "cache-control": "no-store" })
      .end('{"status":"healthy"}');
    return;
  }
  if (api !== null && (name === "/api" || name.startsWith("/api/"))) {
    passOn(api, request, response);
    return;
  }
  if (name === "/api") {
    // A proxy that routes /api/* sends this one here.
    response.writeHead(308, { location: "/api/" }).end();
    return;
  }
  const page = pages.get(name);
  if (page === undefined)
    response.writeHead(404, { "content-type": "text/plain" }).end("Not found\n");
  else if (request.method !== "GET" && request.method !== "HEAD")
    response.writeHead(405, { allow: "GET, HEAD" }).end();
  else sendPage(page, request, response);
});

server.listen(port, process.env["HOST"] ?? "0.0.0.0", () => {
  process.stdout.write(`DX Cluster dashboard on port ${port}\n`);
});
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}
