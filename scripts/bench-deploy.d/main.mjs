// scripts/bench-deploy: see there.
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { measureBad } from "./bad.mjs";
import { measureBuilds } from "./building.mjs";
import { measureIdle } from "./idle.mjs";
import { measureReleases } from "./releases.mjs";
import { measureReloads } from "./reloads.mjs";
import { renderResults } from "./results.mjs";
import { makeShop } from "./shop.mjs";
import { measureSites } from "./sites.mjs";

const { values: options } = parseArgs({
  options: {
    deploys: { type: "string", default: "20" },
    rollbacks: { type: "string", default: "5" },
    sites: { type: "string", default: "20" },
    builds: { type: "string", default: "3" },
    reloads: { type: "string", default: "20" },
    "no-bad": { type: "boolean", default: false },
    os: { type: "string", default: "debian-13" },
  },
});
const say = (text) => process.stdout.write(`${text}\n`);

const shop = await makeShop(options.os);
const results = { os: options.os };
try {
  const reloads = Number(options.reloads);
  results.idle = await measureIdle(shop, say);
  results.releases = await measureReleases(
    shop,
    Number(options.deploys),
    Number(options.rollbacks),
    say,
  );
  results.sites = await measureSites(shop, Number(options.sites), say);
  if (!options["no-bad"]) results.bad = await measureBad(shop, say);
  results.builds = await measureBuilds(shop, Number(options.builds), say);
  if (reloads > 0) results.reloads = await measureReloads(shop, reloads, say);
} finally {
  await shop.down();
}
const page = renderResults(results);
say(page);
const isWhole =
  results.bad !== undefined && results.reloads !== undefined && options.deploys === "20";
if (isWhole && options.os === "debian-13") {
  await writeFile(new URL("results.md", import.meta.url), page);
  const performance = new URL("../../docs/performance.md", import.meta.url);
  const text = await readFile(performance, "utf8");
  const at = text.indexOf("## Releases under load");
  const end = text.indexOf("\n## ", at + 1);
  await writeFile(performance, `${text.slice(0, at)}${page}\n${text.slice(end + 1)}`);
}
