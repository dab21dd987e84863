/** The page's files, held in memory, and how they are sent: compressed, with an ETag and a strict content security policy. */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import type * as http from "node:http";
import * as path from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

export interface Page {
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

/** Every file of a folder, compressed once. `/` is its `index.html`. */
export function loadPages(folder: string): Map<string, Page> {
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

/** Answers GET and HEAD; 304 to a browser that has this very page. */
export function sendPage(
  page: Page,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): void {
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
