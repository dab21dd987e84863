// Visitors (visitors.mjs) seen from the bench: windows of measurement, looks, and the sums of it all.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("visitors.mjs", import.meta.url));

/** Lets visitors in. */
export function startVisiting(address, sites, port = 443) {
  const child = spawn(process.execPath, [program, JSON.stringify({ address, port, sites })], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const answer = async () => JSON.parse((await once(lines, "line"))[0]);
  return {
    /** What is asked from now on is counted under this name, too. */
    begin: (name) => void child.stdin.write(`${name}\n`),
    look() {
      const looked = answer();
      child.stdin.write("?\n");
      return looked;
    },
    stop() {
      const looked = answer();
      child.stdin.end();
      return looked;
    },
  };
}

/** The load of the measurement, on both sites together: 200 requests a second, 200 WebSockets, 50 event streams, 10 long requests. */
export function fullLoad(names) {
  return names.map((name) => ({
    name,
    rate: 100,
    websockets: 100,
    events: 25,
    slow: 5,
    slowSeconds: 30,
  }));
}

/** What was lost, over all sites. */
export function sumUp(seen) {
  const sum = (part) => seen.reduce((total, site) => total + part(site), 0);
  return {
    asked: sum(({ requests }) => requests.count),
    failed: sum(({ failures }) => failures.length),
    websocketsCut: sum(({ websockets }) => websockets.cut.length),
    websocketsClosed: sum(({ websockets }) => websockets.closed),
    eventsCut: sum(({ events }) => events.cut.length),
    eventsClosed: sum(({ events }) => events.closed),
    slowDone: sum(({ slow }) => slow.done),
    slowFailed: sum(({ slow }) => slow.failed.length),
  };
}
