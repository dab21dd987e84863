import { mkdir } from "node:fs/promises";
import path from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";
import type { Browser, BrowserContextOptions, Page, Request } from "playwright-core";

const root = path.resolve(import.meta.dirname, "../..");
const pictures = path.join(root, "test-output/dashboard");

/** A page of a site on a lab host, in Debian's Chromium, and everything it complained about. */
export interface SitePage {
  readonly page: Page;
  /** Errors on the console, broken content security policies included; what failed to load is left out. */
  readonly complaints: readonly string[];
  /** Bytes that came over the wire by path, header and body, in the order in which they were asked for. */
  readonly transfers: readonly { readonly path: string; bytes: number }[];
  /** Keeps a picture under `test-output/dashboard`. */
  picture(name: string, whole?: boolean): Promise<void>;
  /** What axe finds that hinders people, however little: `rule: where`. */
  hindrances(): Promise<readonly string[]>;
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** @param address where the site's name leads: no DNS knows it */
export function openBrowser(site: string, address: string): Promise<Browser> {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    // Chromium's own sandbox does not start as root.
    args: ["--no-sandbox", `--host-resolver-rules=MAP ${site} ${address}`],
  });
}

export async function openSite(
  browser: Browser,
  site: string,
  options: BrowserContextOptions = {},
): Promise<SitePage> {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: { width: 1440, height: 900 },
    colorScheme: "light",
    ...options,
  });
  // Other tests may keep the machine busy.
  context.setDefaultTimeout(90_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // A request without an answer is what an outage looks like.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
  const transfers = await watchTransfers(page);
  await arrive(page, () => page.goto(`https://${site}/`));
  return {
    page,
    complaints,
    transfers,
    async picture(name, whole = true) {
      await mkdir(pictures, { recursive: true });
      await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: whole });
    },
    async hindrances() {
      if (await page.evaluate("typeof axe === 'undefined'")) await page.evaluate(axe.source);
      // Twenty rows of the table tell as much as five hundred. While the page is paused it does not put the others back.
      const { violations } = await page.evaluate<axe.AxeResults>(`(async () => {
        document.querySelector("#pause[aria-pressed=false]")?.click();
        for (const row of document.querySelectorAll("#rows tr:nth-child(n + 20)")) row.remove();
        const found = await axe.run(document, { resultTypes: ["violations"] });
        document.querySelector("#pause").click();
        return found;
      })()`);
      return violations.flatMap(({ id, nodes }) =>
        nodes.map((node) => `${id}: ${node.target.join(" ")}`),
      );
    },
    reload: () => arrive(page, () => page.reload()),
    close: () => context.close(),
  };
}

/**
 * Chromium drops all its connections when an interface of this machine comes or goes, as those of lab hosts do beside this
 * test. What the page does then on its own account is its business; but it has to get here whole.
 */
async function arrive(page: Page, go: () => Promise<unknown>): Promise<void> {
  for (let left = 10; ; left -= 1) {
    let broken = "";
    const listen = (request: Request): void => {
      const why = request.failure()?.errorText ?? "";
      const kind = request.resourceType();
      if (why.includes("ERR_NETWORK_CHANGED") && /document|script|stylesheet/.test(kind))
        broken = why;
    };
    page.on("requestfailed", listen);
    try {
      await go();
    } catch (error) {
      if (!String(error).includes("ERR_NETWORK_CHANGED")) throw error;
      broken = String(error);
    } finally {
      page.off("requestfailed", listen);
    }
    if (broken === "") return;
    if (left === 0) throw new Error(`the page never arrived: ${broken}`);
  }
}

async function watchTransfers(page: Page): Promise<{ path: string; bytes: number }[]> {
  const transfers: { path: string; bytes: number }[] = [];
  const byId = new Map<string, { path: string; bytes: number }>();
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  session.on("Network.requestWillBeSent", ({ requestId, request }) => {
    const entry = { path: new URL(request.url).pathname, bytes: 0 };
    byId.set(requestId, entry);
    transfers.push(entry);
  });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const entry = byId.get(requestId);
    if (entry !== undefined) entry.bytes = encodedDataLength;
  });
  return transfers;
}
