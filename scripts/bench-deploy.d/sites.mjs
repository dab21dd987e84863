// Changes of a site under load: Caddy takes over a changed configuration, and nobody of the other sites is to notice.
import { setTimeout as sleep } from "node:timers/promises";
import { pageSite, talkSite } from "./shop.mjs";
import { fullLoad, startVisiting, sumUp } from "./visiting.mjs";

/** Changes a site that nobody visits, so many times. */
export async function measureSites(shop, changes, say) {
  const visiting = startVisiting(shop.address, fullLoad([pageSite, talkSite]));
  await sleep(5000);
  visiting.begin("rest");
  await sleep(20_000);
  const seconds = [];
  for (let number = 1; number <= changes; number += 1) {
    await shop.changeSite(number);
    const began = performance.now();
    visiting.begin("switch");
    await shop.hostkit("provision", "--yes");
    visiting.begin("after");
    seconds.push((performance.now() - began) / 1000);
    say(
      `changed site ${number}: ${seconds.at(-1).toFixed(1)} s; ${JSON.stringify(sumUp(await visiting.look()))}`,
    );
    await sleep(4000);
  }
  const seen = await visiting.stop();
  return { seconds, seen, sum: sumUp(seen) };
}
