// What visitors notice of a build that takes all that the host has.
import { setTimeout as sleep } from "node:timers/promises";
import { talkSite } from "./shop.mjs";
import { startVisiting } from "./visiting.mjs";

const p99Of = (seen, name) =>
  Math.max(0, ...seen.map(({ windows }) => windows.find((one) => one.name === name)?.p99 ?? 0));

/** 100 requests a second on one service, at rest and while the other one is built in turn, so that both have the same machine. */
export async function measureBuilds(shop, builds, say) {
  const load = { name: talkSite, rate: 100, websockets: 0, events: 0, slow: 0, slowSeconds: 30 };
  const visiting = startVisiting(shop.address, [load]);
  await sleep(5000);
  for (let number = 1; number <= builds; number += 1) {
    visiting.begin("rest");
    await sleep(30_000);
    await shop.makeBurning(number);
    const call = shop.call("provision", "--yes");
    let isBuilding = false;
    const look = setInterval(() => {
      const is =
        /started.*build hostkit/.test(call.text) && !/(ok|failed).*build hostkit/.test(call.text);
      if (is !== isBuilding) visiting.begin(is ? "build" : "other");
      isBuilding = is;
    }, 20);
    const code = await call.ended;
    clearInterval(look);
    if (code !== 0) throw new Error(`the build ended with ${code}:\n${call.text.slice(-3000)}`);
    const seen = await visiting.look();
    say(
      `build ${number}: p99 ${p99Of(seen, "rest")} ms at rest, ${p99Of(seen, "build")} ms while it is built`,
    );
  }
  const seen = await visiting.stop();
  return { rest: p99Of(seen, "rest"), build: p99Of(seen, "build"), builds };
}
