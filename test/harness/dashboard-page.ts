import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { labPaths } from "../../src/lab/paths.ts";
import { kernelNames } from "../../src/lab/power.ts";

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

/**
 * Chromium as somebody at `visitor` sees the site. It drops all its connections whenever an interface comes or goes
 * (ERR_NETWORK_CHANGED), as those of lab hosts do on this machine; in a lab host's network nothing changes.
 *
 * @param address where the site's name leads: no DNS knows it
 * @param folder holds the program that starts it
 */
export async function openBrowser(
  site: string,
  address: string,
  visitor: LabHost,
  folder: string,
): Promise<Browser> {
  const { netns } = kernelNames(labPaths(), visitor.name);
  const executablePath = path.join(folder, "chromium-at-visitor");
  const words = ["exec", "nsenter", `--net=/run/netns/${netns}`, "/usr/bin/chromium"];
  await writeFile(executablePath, `#!/bin/sh\n${words.join(" ")} "$@"\n`, { mode: 0o755 });
  return chromium.launch({
    executablePath,
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
  await page.goto(`https://${site}/`);
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
    async reload() {
      await page.reload();
    },
    close: () => context.close(),
  };
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
