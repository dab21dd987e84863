// Releases and ways back under load: what is lost, how long it takes, and what people wait meanwhile.
import { setTimeout as sleep } from "node:timers/promises";
import { pageSite, talkSite } from "./shop.mjs";
import { fullLoad, startVisiting, sumUp } from "./visiting.mjs";

/** Seconds since the run began, of the line that has these words. */
function secondOf(text, words) {
  const line = text.split("\n").find((one) => words.every((word) => one.includes(word)));
  return line === undefined ? undefined : Number(/\s(\d+(?:\.\d+)?) s\s/.exec(line)?.[1]);
}

/** Calls hostkit, and tells the visitors when traffic moves. */
async function callUnderLoad(shop, visiting, words) {
  const began = performance.now();
  const call = shop.call(...words);
  let isMoving = false;
  const look = setInterval(() => {
    const is =
      /started.*send the traffic/.test(call.text) &&
      !/(ok|failed).*send the traffic/.test(call.text);
    if (is === isMoving) return;
    isMoving = is;
    visiting.begin(is ? "switch" : "after");
  }, 10);
  const code = await call.ended;
  clearInterval(look);
  if (code !== 0)
    throw new Error(`hostkit ${words.join(" ")} ended with ${code}:\n${call.text.slice(-4000)}`);
  const healthy = secondOf(call.text, ["ok", "wait until healthy"]);
  const moved = secondOf(call.text, ["ok", "send the traffic"]);
  return { seconds: (performance.now() - began) / 1000, moved: moved - healthy };
}

/** Releases `deploys` times and goes back `rollbacks` times. */
export async function measureReleases(shop, deploys, rollbacks, say) {
  const visiting = startVisiting(shop.address, fullLoad([pageSite, talkSite]));
  await sleep(5000);
  visiting.begin("rest");
  await sleep(20_000);
  const releases = [];
  for (let number = 1; number <= deploys; number += 1) {
    await shop.make(`v${number}`);
    visiting.begin("deploy");
    releases.push(await callUnderLoad(shop, visiting, ["provision", "--yes"]));
    visiting.begin("between");
    say(
      `release ${number}: ${releases.at(-1).seconds.toFixed(1)} s; ${JSON.stringify(sumUp(await visiting.look()))}`,
    );
  }
  const ways = [];
  for (let number = 1; number <= rollbacks; number += 1) {
    // Back from a release that was just made, and forth again.
    await shop.make(`w${number}`);
    visiting.begin("deploy");
    await callUnderLoad(shop, visiting, ["provision", "--yes"]);
    visiting.begin("back");
    ways.push(await callUnderLoad(shop, visiting, ["rollback", "page", "--yes"]));
    visiting.begin("between");
    say(
      `rollback ${number}: ${ways.at(-1).seconds.toFixed(1)} s; ${JSON.stringify(sumUp(await visiting.look()))}`,
    );
  }
  // What still has streams gets its time.
  await sleep(35_000);
  const seen = await visiting.stop();
  for (const { name, failures, slow } of seen)
    for (const { at, why } of [...failures, ...slow.failed].slice(0, 20))
      say(`${name} after ${at} ms: ${why}`);
  return { releases, ways, seen, sum: sumUp(seen) };
}
