/** The run of scripts/bench-dashboard. */
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    visits: { type: "string", default: "21" },
    address: { type: "string" },
    site: { type: "string", default: "dx.example.org" },
  },
});
const visits = Number(options.visits);
if (!Number.isInteger(visits) || visits < 1) fail("--visits must be a whole number");

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}

function findDemo() {
  const words = ["dist/cli.js", "lab", "list", "--json"];
  const { hosts } = JSON.parse(execFileSync(process.execPath, words, { encoding: "utf8" }));
  const demo = hosts.find(({ name }) => name === "dxcluster-demo");
  return demo?.address ?? fail("no host is given, and the demo is not up: scripts/demo");
}

/** Milliseconds since the visit began, and bytes over the wire, headers included. */
async function visit(browser, site) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: { width: 1440, height: 900 },
  });
  try {
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    const asked = [];
    await session.send("Network.enable");
    session.on("Network.requestWillBeSent", ({ requestId, request }) => {
      asked.push({ requestId, path: new URL(request.url).pathname, bytes: 0 });
    });
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      const one = asked.find((request) => request.requestId === requestId);
      if (one !== undefined) one.bytes = encodedDataLength;
    });
    await page.goto(`https://${site}/`);
    await page.locator('#state[data-state="live"]').waitFor();
    await page.locator("#rows tr").first().waitFor();
    const rows = await page.evaluate("performance.now()");
    await page.locator("#map canvas").first().waitFor();
    await page.waitForLoadState("networkidle").catch(() => undefined);
    const paint = await page.evaluate(
      "performance.getEntriesByName('first-contentful-paint')[0].startTime",
    );
    const largest = await page.evaluate(`new Promise((resolve) => {
      new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime))
        .observe({ type: "largest-contentful-paint", buffered: true });
    })`);
    const map = asked.findIndex(({ path }) => path === "/world.json");
    if (map < 0) throw new Error("the map was never asked for");
    const before = asked.slice(0, map).reduce((sum, { bytes }) => sum + bytes, 0);
    return { paint, largest, rows, before, map: asked[map].bytes, requests: map };
  } finally {
    await context.close();
  }
}

const quantile = (list, share) =>
  [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))];

async function main() {
  const address = options.address ?? findDemo();
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    // Chromium's own sandbox does not start as root.
    args: ["--no-sandbox", `--host-resolver-rules=MAP ${options.site} ${address}`],
  });
  const seen = [];
  try {
    for (let turn = 0; turn < visits; turn += 1) seen.push(await visit(browser, options.site));
  } finally {
    await browser.close();
  }
  const of = (name) => {
    const list = seen.map((one) => one[name]);
    return {
      first: Math.round(list[0]),
      median: Math.round(quantile(list, 0.5)),
      most: Math.round(Math.max(...list)),
    };
  };
  const result = {
    visits,
    first_contentful_paint_ms: of("paint"),
    largest_contentful_paint_ms: of("largest"),
    first_rows_ms: of("rows"),
    bytes_before_map: of("before"),
    map_bytes: of("map"),
  };
  const limits = {
    first_contentful_paint_under_1_s: result.first_contentful_paint_ms.most < 1000,
    under_200_kB_before_the_map: result.bytes_before_map.most < 200_000,
  };
  if (options.json) process.stdout.write(`${JSON.stringify({ ...result, limits }, null, 2)}\n`);
  else {
    for (const [name, value] of Object.entries(result)) {
      if (typeof value === "number") continue;
      process.stdout.write(
        `${name.replaceAll("_", " ").padEnd(28)} first ${value.first}   median ${value.median}   most ${value.most}\n`,
      );
    }
    for (const [limit, held] of Object.entries(limits))
      process.stdout.write(`${held ? "ok  " : "MISS"} ${limit.replaceAll("_", " ")}\n`);
  }
  if (Object.values(limits).includes(false)) process.exitCode = 1;
}

await main();
