// The web program of the bench and of test/lab/streams.test.ts: requests, WebSockets (RFC 6455), event streams, and requests that take
// long. It has no packages. Told to end, it says goodbye to whom it still has and waits for what is being answered.
const http = require("node:http"),
  fs = require("node:fs"),
  { createHash } = require("node:crypto");
// A second word in the file is the way in which this release is bad.
const [version, mode] = fs.readFileSync("/version", "utf8").trim().split(" ");
const started = Date.now();
if (mode === "ends") {
  console.error("Error: configuration key PAINT is missing");
  process.exit(1);
}
if (mode === "dies-later")
  setTimeout(() => {
    console.error("Error: lost the thread");
    process.exit(7);
  }, 10_000);
const sockets = new Set(),
  events = new Set();
const server = http.createServer((request, answer) => {
  const url = new URL(request.url, "http://x");
  if (url.pathname === "/events") {
    answer.writeHead(200, { "content-type": "text/event-stream" });
    answer.write(`data: ${version}\n\n`);
    const beat = setInterval(() => answer.write(`data: ${version}\n\n`), 500);
    events.add(answer);
    answer.on("close", () => {
      clearInterval(beat);
      events.delete(answer);
    });
    return;
  }
  if (url.pathname === "/slow") {
    setTimeout(() => answer.end(`slow ${version}`), Number(url.searchParams.get("seconds")) * 1000);
    return;
  }
  if (mode === "never-healthy" || (mode === "turns-bad" && Date.now() - started > 10_000))
    answer.statusCode = 500;
  request.resume().on("end", () => answer.end(version));
});
server.on("upgrade", (request, socket) => {
  const key = createHash("sha1")
    .update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`,
  );
  const frame = Buffer.concat([Buffer.from([0x81, version.length]), Buffer.from(version)]);
  socket.write(frame);
  const beat = setInterval(() => socket.write(frame), 500);
  sockets.add(socket);
  socket
    .on("error", () => {})
    .on("close", () => {
      clearInterval(beat);
      sockets.delete(socket);
    });
  socket.resume();
});
server.keepAliveTimeout = 5000;
server.listen(8000);
process.on("SIGTERM", () => {
  // 4001, a code of its own: a proxy that closes a stream for itself says 1001.
  for (const socket of sockets) socket.end(Buffer.from([0x88, 2, 0x0f, 0xa1]));
  for (const answer of events) answer.end("event: bye\ndata: bye\n\n");
  server.close(() => process.exit());
  setInterval(() => server.closeIdleConnections(), 100);
});
