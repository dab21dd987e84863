// Releases that are bad in one way or another: how long they hold the traffic.
import { setTimeout as sleep } from "node:timers/promises";
import { pageSite } from "./shop.mjs";
import { startVisiting } from "./visiting.mjs";

const ways = [
  { mode: "ends", about: "does not start" },
  { mode: "never-healthy", about: "never gets healthy" },
  { mode: "turns-bad", about: "turns bad after 10 s" },
  { mode: "dies-later", about: "ends after 10 s" },
];

/** @returns of each: whether hostkit said that it failed, and for how long it answered */
export async function measureBad(shop, say) {
  await shop.make("good");
  await shop.hostkit("provision", "--yes");
  const results = [];
  for (const { mode, about } of ways) {
    const visiting = startVisiting(shop.address, [
      { name: pageSite, rate: 50, websockets: 0, events: 0, slow: 0, slowSeconds: 0 },
    ]);
    await sleep(1000);
    await shop.make(`bad-${mode} ${mode}`);
    const call = shop.call("provision", "--yes");
    const code = await call.ended;
    await sleep(1000);
    const [seen] = await visiting.stop();
    const held = (seen.held[`bad-${mode}`] ?? 0) / 1000;
    const times = seen.failures.map(({ at }) => at);
    const bad = times.length === 0 ? 0 : (Math.max(...times) - Math.min(...times)) / 1000;
    results.push({ about, code, held, failures: seen.failures.length, bad, serves: seen.last });
    say(
      `${about}: exit ${code}, held the traffic for ${held.toFixed(1)} s, ${seen.failures.length} bad answers in ${bad.toFixed(1)} s; then ${seen.last}`,
    );
  }
  return results;
}
