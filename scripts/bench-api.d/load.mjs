/** Asks at a fixed rate, whatever the answers take: the time of an answer counts from when it was due. */
import * as http from "node:http";
import { choose, seeded } from "./questions.mjs";

export function get(base, path, headers = {}, agent) {
  return new Promise((resolve, reject) => {
    const request = http.get(`${base}${path}`, { headers, agent, timeout: 20_000 }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(parts).toString(),
        }),
      );
      response.on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 20 s")));
    request.on("error", reject);
  });
}

/** What the questions are made of: callsigns and cursors that there are. */
export async function look(base) {
  const page = JSON.parse((await get(base, "/api/spots?limit=1000")).body);
  return {
    calls: [...new Set(page.spots.map((spot) => spot.dx_call))],
    spotters: [...new Set(page.spots.map((spot) => spot.spotter_call))],
    cursors: [page.pagination.next_cursor],
  };
}

/**
 * Asks whatever the answers take, at moments fixed before: an answer's time counts from when its question was due, so that a
 * question which had to wait because others took long waits in the result too.
 * @returns milliseconds of each answer by the name of its question, how many were no 200, and what the asking itself cost
 */
export async function ask(base, seen, { rate, seconds, seed }) {
  const random = seeded(seed);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 200 });
  const times = new Map();
  const failures = new Map();
  const pending = [];
  const started = performance.now();
  const usedBefore = process.cpuUsage();
  const late = [];
  let bytes = 0;
  for (let index = 0; index < rate * seconds; index += 1) {
    const due = started + (index * 1000) / rate;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    late.push(performance.now() - due);
    const question = choose(random);
    const query = question.query(random, seen);
    // A proxy in front of the API names the visitor: here there are 250.
    const visitor = `198.51.100.${index % 250}`;
    pending.push(
      get(
        base,
        `/api/spots${query === "" ? "" : `?${query}`}`,
        { "x-forwarded-for": visitor },
        agent,
      ).then(
        ({ status, body }) => {
          const list = times.get(question.name) ?? [];
          list.push(performance.now() - due);
          times.set(question.name, list);
          bytes += body.length;
          if (status !== 200) failures.set(status, (failures.get(status) ?? 0) + 1);
          if (question.name === "next page" && status === 200 && seen.cursors.length < 200) {
            const next = /"next_cursor":"([\w-]+)"/.exec(body)?.[1];
            if (next !== undefined) seen.cursors.push(next);
          }
        },
        (error) => {
          failures.set(error.message, (failures.get(error.message) ?? 0) + 1);
        },
      ),
    );
  }
  await Promise.all(pending);
  agent.destroy();
  const used = process.cpuUsage(usedBefore);
  return {
    times,
    late,
    cpuMs: (used.user + used.system) / 1000,
    failures: Object.fromEntries(failures),
    bytes,
    seconds: (performance.now() - started) / 1000,
  };
}

/** Asks one after the other: milliseconds of the first answer, of the middle one and of the slowest. */
export async function askInTurn(base, path, times) {
  const took = [];
  let status = 0;
  for (let turn = 0; turn < times; turn += 1) {
    const longAgo = new Date(Date.now() - (500 + turn) * 86_400_000).toISOString().slice(0, 10);
    const where = path.replace("=N", `=${168 - turn}`).replace("LONGAGO", longAgo);
    const started = performance.now();
    const answer = await get(base, where, { "x-forwarded-for": `203.0.113.${turn}` });
    took.push(performance.now() - started);
    if (answer.status !== 200) status = answer.status;
  }
  const [first] = took;
  return {
    path,
    first_ms: quantile([first], 0),
    p50_ms: quantile(took, 0.5),
    most_ms: quantile(took, 1),
    ...(status === 0 ? {} : { status }),
  };
}

export function quantile(list, share) {
  const sorted = [...list].sort((a, b) => a - b);
  return (
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) /
    10
  );
}
