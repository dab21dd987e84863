/** Many listeners of the stream: how long until the last of them has a new spot. */
import * as http from "node:http";

/** @param insert places one spot with this callsign; resolves when it is committed */
export async function listen(base, clients, spots, insert) {
  const agent = new http.Agent({ maxSockets: Infinity });
  const waiting = new Map();
  const open = await Promise.all(
    Array.from({ length: clients }, (_, index) =>
      join(base, agent, index, (text) => {
        for (const [, call] of text.matchAll(/"dx_call":"(BENCH\d+X)"/g)) waiting.get(call)?.();
      }),
    ),
  );
  const latest = [];
  const first = [];
  try {
    for (let index = 0; index < spots; index += 1) {
      const call = `BENCH${index}X`;
      let heard = 0;
      const started = performance.now();
      const all = new Promise((resolve, reject) => {
        const late = setTimeout(
          () => reject(new Error(`${call}: ${heard} of ${clients} listeners heard of it`)),
          20_000,
        );
        waiting.set(call, () => {
          heard += 1;
          if (heard === 1) first.push(performance.now() - started);
          if (heard === clients) {
            latest.push(performance.now() - started);
            clearTimeout(late);
            resolve();
          }
        });
      });
      await insert(call);
      await all;
      waiting.delete(call);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    for (const response of open) response.destroy();
  }
  return { first, latest };
}

function join(base, agent, index, hear) {
  return new Promise((resolve, reject) => {
    const headers = { "x-forwarded-for": `203.0.113.${index % 50}`, accept: "text/event-stream" };
    const request = http.get(`${base}/api/spots/stream`, { agent, headers }, (response) => {
      if (response.statusCode !== 200) {
        reject(new Error(`the stream answered ${response.statusCode}`));
        return;
      }
      response.setEncoding("utf8");
      let rest = "";
      response.on("data", (text) => {
        rest += text;
        const end = rest.lastIndexOf("\n\n");
        if (end < 0) return;
        hear(rest.slice(0, end));
        rest = rest.slice(end);
      });
      response.on("error", () => undefined);
      resolve(response);
    });
    request.on("error", reject);
  });
}
