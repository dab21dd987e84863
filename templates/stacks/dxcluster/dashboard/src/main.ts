/**
 * Serves the dashboard's page from memory. Listens on $PORT (8050). The page asks /api/* of the place it came from;
 * where no proxy stands in front, API_URL names the API and this server passes those requests on.
 */
import * as http from "node:http";
import * as path from "node:path";
import { loadPages, sendPage } from "./pages.ts";

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
