/** Runs one simulated DX cluster node. */
import * as fs from "node:fs";
import { parseArgs } from "node:util";
import { type Pace, serveControl } from "./control.ts";
import { type Flavour, flavours, retime } from "./dialects.ts";
import { SimulatedNode } from "./node.ts";
import { type MadeSpot, Traffic } from "./traffic.ts";

const help = `A DX cluster node for tests: log-in dialogue, spots, solar announcements, and every kind of trouble.

Usage: node simulator.cjs [options]
  --host ADDRESS      where to listen (127.0.0.1)
  --port N            the cluster's port (7300)
  --control N         port of the HTTP control on the same address (7380); 0 for none
  --rate N            spots a second (5)
  --flavour NAME      dxspider, arcluster, cccluster or skimmer (dxspider)
  --also PORT:NAME    a second node with the same spots, as all nodes of the real network have; may be repeated
  --password WORD     asked for after the callsign
  --replay FILE       lines of a real node, sent in their order at the rate, again and again, with the time of now
  --history N         spots that show/dx can tell of (100)
  --numbered          every spot's comment is "nr N TIME": its number, from 1, and epoch milliseconds
  --seed N            the same seed sends the same spots (1)
  --solar SECONDS     between WWV or WCY announcements (60)
  --chatter SECONDS   between talk and weather (60)
  --tear              cut every line in two writes
  --garbage SECONDS   between lines of garbage (never)
  --drop SECONDS      between cut connections (never)
  --stall SECONDS     between silences; each is half as long (never)

Control, with curl:
  curl -s localhost:7380/status
  curl -s localhost:7380/spot -d '{"spotter":"N0CALL","frequency":14025.0,"dx":"DL1ABC","comment":"CW"}'
  curl -s -X POST localhost:7380/stall    (also /resume /drop /forget /garbage /wwv /raw /rate)
`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "7300" },
    control: { type: "string", default: "7380" },
    rate: { type: "string", default: "5" },
    flavour: { type: "string", default: "dxspider" },
    also: { type: "string", multiple: true, default: [] },
    history: { type: "string", default: "100" },
    numbered: { type: "boolean", default: false },
    chatter: { type: "string", default: "60" },
    tear: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    solar: { type: "string", default: "60" },
    garbage: { type: "string", default: "0" },
    drop: { type: "string", default: "0" },
    stall: { type: "string", default: "0" },
    password: { type: "string" },
    replay: { type: "string" },
  },
});

function every(seconds: number, act: () => void): void {
  if (seconds > 0) setInterval(act, seconds * 1000);
}

/** Bytes become characters one by one, so that the node sends what was recorded. */
function readLines(file: string): readonly string[] {
  const lines = fs
    .readFileSync(file, "latin1")
    .split(/\r?\n/)
    .filter((line) => line !== "");
  if (lines.length === 0) throw new Error(`${file} holds no line`);
  return lines;
}

function keyOf(spot: MadeSpot): string {
  return `${spot.spotter} ${spot.dx} ${spot.frequency.toFixed(1)}`;
}

async function openNode(port: number, name: string): Promise<SimulatedNode> {
  const flavour = flavours.find((known): known is Flavour => known === name);
  if (flavour === undefined) throw new Error(`no flavour "${name}"`);
  const { tear, password } = values;
  const habits = {
    history: Number(values.history),
    tear,
    ...(password === undefined ? {} : { password }),
  };
  const node = new SimulatedNode(flavour, habits);
  await node.listen(port, values.host);
  return node;
}

async function main(): Promise<void> {
  const traffic = new Traffic(Number(values.seed));
  const pace: Pace = { rate: Number(values.rate) };
  const node = await openNode(Number(values.port), values.flavour);
  const others = await Promise.all(
    values.also.map((word) => {
      const [port, flavour] = word.split(":");
      return openNode(Number(port), flavour ?? values.flavour);
    }),
  );

  const recorded = values.replay === undefined ? null : readLines(values.replay);

  // Spots are due by the clock, so that a busy machine catches up instead of sending fewer.
  let due = 0;
  let number = 0;
  let before = performance.now();
  let lastMinute = "";
  let seen = new Set<string>();
  setInterval(() => {
    const now = performance.now();
    due = Math.min(due + ((now - before) / 1000) * pace.rate, pace.rate + 1);
    before = now;
    // A client that does not keep up must not fill this process.
    if (node.backlog() > 4_000_000) return;
    for (; due >= 1; due--) {
      const time = new Date();
      if (recorded !== null) {
        const line = recorded[number++ % recorded.length] ?? "";
        for (const each of [node, ...others]) each.line(retime(line, time));
        continue;
      }
      const minute = time.toISOString().slice(0, 16);
      if (minute !== lastMinute) seen = new Set();
      lastMinute = minute;
      // Each spot is one of its kind, so that "sent" can be compared with "stored".
      let spot = traffic.spot();
      while (seen.has(keyOf(spot))) spot = traffic.freshSpot();
      seen.add(keyOf(spot));
      number++;
      if (values.numbered) spot = { ...spot, comment: `nr ${number} ${time.getTime()}` };
      for (const each of [node, ...others]) each.spot(spot, time);
    }
  }, 20);
  const solar = Number(values.solar);
  const sendSolar = (): number => node.send(traffic.solar(new Date().getUTCHours()));
  every(solar, sendSolar);
  // Real nodes send one an hour; a demonstration should not have to wait for it.
  let greeted = 0;
  every(solar > 0 ? 2 : 0, () => {
    if (node.status().logins > greeted) sendSolar();
    greeted = node.status().logins;
  });
  every(Number(values.chatter), () => node.send(traffic.chatter()));
  every(Number(values.garbage), () => node.send(traffic.garbage()));
  every(Number(values.drop), () => {
    for (const each of [node, ...others]) each.drop();
  });
  const stall = Number(values.stall);
  every(stall, () => {
    for (const each of [node, ...others]) each.stall(true);
    setTimeout(() => {
      for (const each of [node, ...others]) each.stall(false);
    }, stall * 500);
  });

  const control = Number(values.control);
  if (control > 0) serveControl(node, traffic, pace).listen(control, values.host);
  console.log(
    `cluster node on ${values.host}:${values.port}${control > 0 ? `, control on ${values.host}:${control}` : ""}, ${pace.rate} spots/s`,
  );
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0));
}

if (values.help) process.stdout.write(help);
else {
  main().catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  });
}
