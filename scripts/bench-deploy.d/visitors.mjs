// Visitors of sites on a host, in a process of their own: what they ask is in the JSON on argv, lines on standard input begin windows of
// measurement, its end ends them, and what they saw comes as JSON on standard output.
//   {address, port, sites: [{name, rate, websockets, events, slow, slowSeconds}]}   rate: requests a second, half of them with a body
import { randomBytes } from "node:crypto";
import { connect as connectHttp2 } from "node:http2";
import { Agent, request } from "node:https";
import { createInterface } from "node:readline";

const { address, port = 443, sites } = JSON.parse(process.argv[2]);
const started = Date.now();
const windows = [];
let isOver = false;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function makeSite(settings) {
  return {
    ...settings,
    requests: [],
    failures: [],
    versions: new Map(),
    websockets: { opened: 0, cut: [], closed: 0, open: 0 },
    events: { opened: 0, cut: [], closed: 0, open: 0 },
    slow: { done: 0, failed: [] },
  };
}
const seen = sites.map(makeSite);

function ask(site, options, body) {
  return new Promise((resolve, reject) => {
    const sent = request({
      host: address,
      port,
      servername: site.name,
      rejectUnauthorized: false,
      headers: { host: site.name },
      ...options,
    });
    sent.on("error", reject);
    sent.on("response", (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part) => (text += part));
      answer.on("end", () =>
        answer.complete
          ? resolve({ status: answer.statusCode, text })
          : reject(new Error("cut in the answer")),
      );
      answer.on("error", reject);
    });
    sent.end(body);
  });
}

async function askOnce(site, agent, number) {
  const began = Date.now();
  try {
    const isPost = number % 2 === 1;
    const { status, text } = await ask(
      site,
      { agent, path: "/", method: isPost ? "POST" : "GET" },
      isPost ? "x".repeat(200) : undefined,
    );
    const at = Date.now();
    if (status !== 200) site.failures.push({ at: at - started, why: `status ${status}` });
    else {
      site.last = text;
      site.versions.set(text, { first: site.versions.get(text)?.first ?? at, last: at });
    }
    site.requests.push([began - started, at - began]);
  } catch (error) {
    site.failures.push({ at: Date.now() - started, why: String(error) });
  }
}

async function askSteadily(site) {
  const agent = new Agent({ keepAlive: true, maxSockets: 100 });
  const running = new Set();
  for (let number = 0; !isOver; number += 1) {
    const due = started + (number * 1000) / site.rate;
    if (due > Date.now()) await sleep(due - Date.now());
    const one = askOnce(site, agent, number).finally(() => running.delete(one));
    running.add(one);
  }
  await Promise.all(running);
  agent.destroy();
}

/** One WebSocket after the other: until it ends, which is "closed" where the server said so, else "cut". */
async function holdWebSocket(site) {
  while (!isOver) {
    let isClosed = false;
    await new Promise((resolve) => {
      const asked = request({
        ...{
          host: address,
          port,
          servername: site.name,
          rejectUnauthorized: false,
          path: "/ws",
          agent: false,
        },
        headers: {
          host: site.name,
          connection: "Upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": randomBytes(16).toString("base64"),
        },
      });
      asked.on("error", resolve).on("response", (answer) => {
        answer.resume();
        resolve();
      });
      asked.on("upgrade", (_answer, socket) => {
        site.websockets.opened += 1;
        site.websockets.open += 1;
        const stop = setInterval(() => {
          if (isOver) socket.destroy();
        }, 100);
        socket.on("data", (data) => {
          if (data.includes(Buffer.from([0x88, 2, 0x0f, 0xa1]))) isClosed = true;
        });
        socket.on("error", () => {});
        socket.on("close", () => {
          clearInterval(stop);
          site.websockets.open -= 1;
          if (isClosed) site.websockets.closed += 1;
          else if (!isOver) site.websockets.cut.push(Date.now() - started);
          resolve();
        });
      });
      asked.end();
    });
    if (!isOver) await sleep(50);
  }
}

/** The same for an event stream, over HTTP/2. */
async function holdEvents(site) {
  while (!isOver) {
    let text = "";
    await new Promise((resolve) => {
      const session = connectHttp2(`https://${address}:${port}`, {
        servername: site.name,
        rejectUnauthorized: false,
      });
      session.on("error", () => {});
      const stream = session.request({ ":path": "/events", ":authority": site.name });
      stream.on("response", () => {
        site.events.opened += 1;
        site.events.open += 1;
      });
      stream.setEncoding("utf8").on("data", (part) => (text = (text + part).slice(-200)));
      stream.on("error", () => {});
      const stop = setInterval(() => {
        if (isOver) stream.close();
      }, 100);
      stream.on("close", () => {
        clearInterval(stop);
        session.close();
        if (text !== "") {
          site.events.open -= 1;
          if (text.includes("event: bye")) site.events.closed += 1;
          else if (!isOver) site.events.cut.push(Date.now() - started);
        }
        resolve();
      });
      stream.end();
    });
    if (!isOver) await sleep(50);
  }
}

async function askSlowly(site) {
  const agent = new Agent({ keepAlive: false });
  while (!isOver) {
    const began = Date.now();
    try {
      const { status, text } = await ask(site, {
        agent,
        path: `/slow?seconds=${site.slowSeconds}`,
      });
      if (status === 200 && text.startsWith("slow ")) site.slow.done += 1;
      else
        site.slow.failed.push({
          at: Date.now() - started,
          why: `status ${status} after ${Date.now() - began} ms`,
        });
    } catch (error) {
      if (!isOver)
        site.slow.failed.push({
          at: Date.now() - started,
          why: `${String(error)} after ${Date.now() - began} ms`,
        });
    }
  }
}

function summarize(requests) {
  const sorted = requests.map(([, ms]) => ms).toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}

/** Each name once, with all that was asked in any window of that name. */
function summarizeWindows(site) {
  const ends = [...windows.slice(1).map(({ at }) => at), Infinity];
  const names = [...new Set(windows.map(({ name }) => name))];
  return names.map((name) => ({
    name,
    ...summarize(
      site.requests.filter(([began]) =>
        windows.some((one, index) => one.name === name && began >= one.at && began < ends[index]),
      ),
    ),
  }));
}

function report() {
  return seen.map((site) => ({
    name: site.name,
    requests: summarize(site.requests),
    failures: site.failures,
    versions: Object.fromEntries(
      [...site.versions].map(([version, { first }]) => [version, first]),
    ),
    held: Object.fromEntries(
      [...site.versions].map(([version, { first, last }]) => [version, last - first]),
    ),
    last: site.last,
    windows: summarizeWindows(site),
    websockets: site.websockets,
    events: site.events,
    slow: site.slow,
  }));
}

for (const site of seen) if (site.rate > 0) void askSteadily(site);
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  if (line === "?") process.stdout.write(`${JSON.stringify(report())}\n`);
  else windows.push({ name: line, at: Date.now() - started });
});
lines.on("close", async () => {
  const told = report();
  isOver = true;
  await sleep(300);
  process.stdout.write(`${JSON.stringify(told)}\n`, () => process.exit());
});
for (const [index, { websockets = 0, events = 0, slow = 0 }] of sites.entries()) {
  for (let n = 0; n < websockets; n += 1) void holdWebSocket(seen[index]);
  for (let n = 0; n < events; n += 1) void holdEvents(seen[index]);
  for (let n = 0; n < slow; n += 1) void askSlowly(seen[index]);
}
