import { readFile } from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parseDocument } from "yaml";
import { runOnLabHost } from "../../src/lab/login.ts";
import { openBrowser, openSite } from "../harness/dashboard-page.ts";
import type { SitePage } from "../harness/dashboard-page.ts";
import { makeDay } from "../harness/dx-day.ts";
import { makeDxCluster, makeProject, startSimulator } from "../harness/lab-project.ts";
import type { LabProject, Simulator } from "../harness/lab-project.ts";

const site = "dx.example.org";

describe("the dashboard in a browser", () => {
  let project: LabProject;
  let visitor: LabProject;
  let simulator: Simulator;
  let browser: Browser;
  let open: SitePage | undefined;

  beforeAll(async () => {
    simulator = await startSimulator();
    project = await makeDxCluster("dashboard", "debian-13", simulator.port);
    visitor = await makeProject("visitor", "debian-13", "stack: visitor\n");
    // No backups: they have tests of their own, and take half a minute.
    const manifest = parseDocument(await project.read("hostkit.yaml"));
    manifest.delete("backups");
    await project.write("hostkit.yaml", manifest.toString({ lineWidth: 0 }));
    const result = await project.hostkit("provision", "--yes");
    if (result.exitCode !== 0) throw new Error(`${result.stdout}\n${result.stderr}`);
    const stored = await runOnLabHost(
      project.host,
      "runuser -u postgres -- psql -XAqtv ON_ERROR_STOP=1 dxcluster",
      { input: makeDay(Date.now()) },
    );
    if (stored.exitCode !== 0) throw new Error(stored.stderr);
    browser = await openBrowser(site, project.host.address, visitor.host, visitor.folder);
  });

  afterAll(async () => {
    await browser?.close();
    await simulator?.stop();
    await visitor?.down();
    await project?.down();
  });

  afterEach(async () => {
    await open?.close();
    open = undefined;
  });

  async function visit(options?: Parameters<typeof openSite>[2]): Promise<SitePage> {
    open = await openSite(browser, site, options);
    await open.page.locator('#state[data-state="live"]').waitFor();
    await open.page.locator("#rows tr").first().waitFor();
    await open.page.locator("#map canvas").first().waitFor();
    return open;
  }

  /** The unit of the API's release that answers. */
  const findApi = (): Promise<string> =>
    project.onHost(
      "systemctl list-units --plain --no-legend --state=active 'dxcluster-api-*' | awk 'NR == 1 { print $1 }'",
    );

  const cells = (page: Page, column: string): Promise<readonly string[]> =>
    page.locator(`#rows td.${column}`).allTextContents();

  test("paints with less than 200 kB, loads the map afterwards, and keeps its content security policy", async () => {
    const { page, transfers, complaints, picture } = await visit();
    await page.locator("#map-count", { hasText: /[1-9]\d* paths, [1-9]/ }).waitFor();
    await page.waitForLoadState("load");
    const map = transfers.findIndex((transfer) => transfer.path === "/world.json");
    const before = transfers.slice(0, map).reduce((sum, { bytes }) => sum + bytes, 0);
    expect(map).toBeGreaterThan(0);
    expect(before).toBeGreaterThan(10_000);
    expect(before).toBeLessThan(200_000);
    expect(
      Number((await page.locator("#n-hour").textContent())?.replaceAll(",", "")),
    ).toBeGreaterThan(0);
    expect(await page.locator('#conditions li[data-band="20m"]').getAttribute("data-level")).toBe(
      "green",
    );
    expect(await page.locator('#conditions li[data-band="2m"]').getAttribute("data-level")).toBe(
      "red",
    );
    expect(await page.locator("#heat tbody tr").count()).toBeGreaterThanOrEqual(12);
    expect(await page.locator("#sfi").textContent()).toMatch(/^\d+$/);
    expect(await page.locator("#top li").count()).toBeGreaterThan(5);
    await page.locator("#fall-note", { hasText: "spots in the last hour" }).waitFor();
    // Five hundred rows, however many spots there are.
    await page.locator("#count", { hasText: /^500 of \d+ spots$/ }).waitFor();
    expect(await page.locator("#rows tr").count()).toBe(500);
    await picture("wide-light");
    expect(complaints).toEqual([]);
  });

  test("shows a new spot without a reload, in the table and on the map", async () => {
    const { page } = await visit();
    await page.evaluate("window.neverReloaded = true");
    // Only the stream can bring it: asking for the newest spots is cut off.
    await page.route(/\/api\/spots\?/, (route) => route.abort());
    await simulator.spot({
      spotter: "DL1NEW",
      frequency: 18077.7,
      dx: "JA7LIVE",
      comment: "CW first",
    });
    const row = page.locator("#rows tr", { hasText: "JA7LIVE" });
    await row.first().waitFor();
    expect(await row.first().textContent()).toContain("18077.7");
    expect(await row.first().textContent()).toContain("Japan");
    await page.locator("#f-text").fill("JA7LIVE");
    await page.locator("#map-count", { hasText: "1 path, 1 country" }).waitFor();
    expect(await page.evaluate("window.neverReloaded")).toBe(true);
  });

  test("filters by band, mode and text, and finds in the database what it did not hold", async () => {
    const { page, reload } = await visit();
    await page.locator('#conditions li[data-band="20m"] button').click();
    expect(await page.locator("#f-band").inputValue()).toBe("20m");
    await page.locator("#f-mode").selectOption("CW");
    await expect
      .poll(async () => new Set(await cells(page, "mode")), { timeout: 60_000 })
      .toEqual(new Set(["CW"]));
    for (const frequency of await cells(page, "frequency")) expect(frequency).toMatch(/^14.*20m$/);
    await page.locator("#f-text").fill("vp6old");
    await page.locator("#rows tr", { hasText: "VP6OLD" }).waitFor();
    expect(await page.locator("#rows tr").count()).toBe(1);
    await page.locator("#f-text").fill("nobody at all");
    await page.locator("#empty", { hasText: "no spot matches" }).waitFor();
    // The address says it all: whoever gets it sees the same.
    await page.locator("#f-text").fill("vp6old");
    await page.waitForURL(/#band=20m&mode=CW&find=vp6old$/);
    await reload();
    await page.locator("#rows tr", { hasText: "VP6OLD" }).waitFor();
    expect(await page.locator("#f-mode").inputValue()).toBe("CW");
    // A callsign of the lists is looked for when it is pressed; a band that is pressed again is free again.
    const call = page.locator("#top button").first();
    await call.click();
    expect(await page.locator("#f-text").inputValue()).toBe(await call.textContent());
    await page.locator("#f-text").fill("");
    await page.locator('#conditions li[data-band="20m"] button').click();
    expect(await page.locator("#f-band").inputValue()).toBe("");
  });

  test("sorts by a column, either way", async () => {
    const { page } = await visit();
    const isSorted = async (descending: boolean): Promise<boolean> => {
      const numbers = (await cells(page, "frequency")).map((text) => Number.parseFloat(text));
      const wanted = numbers.toSorted((a, b) => (descending ? b - a : a - b));
      return numbers.length > 5 && numbers.join() === wanted.join();
    };
    await page.getByRole("button", { name: "kHz" }).click();
    expect(await page.locator("th.frequency").getAttribute("aria-sort")).toBe("ascending");
    expect(await isSorted(false)).toBe(true);
    await page.getByRole("button", { name: "kHz" }).click();
    expect(await page.locator("th.frequency").getAttribute("aria-sort")).toBe("descending");
    expect(await isSorted(true)).toBe(true);
  });

  test("hands out what is filtered as CSV", async () => {
    const { page } = await visit();
    await page.locator("#f-text").fill("vp6old");
    await page.locator("#rows tr", { hasText: "VP6OLD" }).waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "CSV" }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^spots-.*\.csv$/);
    const lines = (await readFile(await download.path(), "utf8")).trim().split("\r\n");
    expect(lines[0]).toMatch(/^timestamp,frequency,dx_call,mode,band/);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain("14023.000,VP6OLD,CW,20m,CW finally,DL1ABC");
  });

  test("changes between dark and light, and remembers it", async () => {
    const { page, picture, complaints, reload } = await visit({ colorScheme: "dark" });
    const back = (): Promise<unknown> =>
      page.evaluate("getComputedStyle(document.body).backgroundColor");
    const dark = await back();
    await page.locator("#map-count", { hasText: "countries" }).waitFor();
    await page.locator("#fall-note", { hasText: "spots in the last hour" }).waitFor();
    await picture("wide-dark");
    await page.getByRole("button", { name: "Light colours" }).click();
    const light = await back();
    expect(light).not.toBe(dark);
    await reload();
    expect(await back()).toBe(light);
    await page.getByRole("button", { name: "Dark colours" }).click();
    expect(await back()).toBe(dark);
    expect(complaints).toEqual([]);
  });

  test("shows times in UTC or in the reader's zone", async () => {
    const { page } = await visit({ timezoneId: "Asia/Kolkata" });
    await page.locator("#f-text").fill("vp6old");
    const time = page.locator("#rows tr", { hasText: "VP6OLD" }).locator("td.time");
    const minutes = async (): Promise<number> => {
      const [hour = 0, minute = 0] = ((await time.textContent()) ?? "")
        .slice(-5)
        .split(":")
        .map(Number);
      return hour * 60 + minute;
    };
    const utc = await minutes();
    await page.getByRole("button", { name: "Local" }).click();
    expect(((await minutes()) - utc + 1440) % 1440).toBe(330);
    expect(await page.locator("footer .zone-name").textContent()).toMatch(
      /^Asia\/(Kolkata|Calcutta)$/,
    );
    await page.getByRole("button", { name: "UTC", exact: true }).click();
    expect(await minutes()).toBe(utc);
  });

  test("fits a phone without scrolling sideways", async () => {
    const { page, picture } = await visit({
      viewport: { width: 390, height: 844 },
      colorScheme: "dark",
      hasTouch: true,
    });
    const spill = (): Promise<unknown> =>
      page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    expect(await spill()).toBe(0);
    await page.locator("#map-count", { hasText: "countries" }).waitFor();
    await picture("phone");
    await page.setViewportSize({ width: 320, height: 640 });
    expect(await spill()).toBe(0);
  });

  test("is usable with the keyboard alone", async () => {
    const { page } = await visit();
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("To the spots");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).toBe("h-spots");
    // On from there every control can be reached, and none holds the focus.
    const reached: string[] = [];
    for (let step = 0; step < 30; step += 1) {
      await page.keyboard.press("Tab");
      reached.push(
        String(
          await page.evaluate(
            "document.activeElement.id || document.activeElement.parentElement.className || document.activeElement.parentElement.id",
          ),
        ),
      );
    }
    for (const wanted of [
      "pause",
      "csv",
      "f-band",
      "f-mode",
      "f-text",
      "f-people",
      "frequency",
      "map-minutes",
      "map-box",
      "h-band",
    ])
      expect(reached).toContain(wanted);
    await page.locator("#map canvas[tabindex]").focus();
    await page.keyboard.press("ArrowRight");
    await page.locator("#map-note", { hasText: /heard by .* km, \d+°/ }).waitFor();
    const tile = page.locator('#conditions li[data-band="40m"] button');
    await tile.focus();
    await page.keyboard.press("Enter");
    expect(await tile.getAttribute("aria-pressed")).toBe("true");
    expect(await page.evaluate("document.activeElement.getAttribute('aria-pressed')")).toBe("true");
  });

  test("hinders nobody: axe finds nothing, in light and dark, on a desk and on a phone", async () => {
    const { page, hindrances } = await visit();
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: 844 });
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await hindrances(), `${colorScheme}, ${width} pixels wide`).toEqual([]);
      }
    }
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "says that the API is away, and comes back by itself",
    async () => {
      const { page, picture, hindrances, complaints } = await visit();
      const before = await page.locator("#rows tr").count();
      const unit = await findApi();
      await project.onHost(`systemctl stop ${unit}`);
      // A page that is opened in the middle of it says so too.
      const late = await openSite(browser, site, { colorScheme: "dark" });
      await page.locator('#state[data-state="away"]').waitFor();
      await page.locator("#outage", { hasText: "has not answered since" }).waitFor();
      expect(await page.locator("#rows tr").count()).toBeGreaterThanOrEqual(before);
      await picture("outage", false);
      expect(await hindrances()).toEqual([]);

      await late.page.locator("#outage", { hasText: "has not answered since" }).waitFor();
      await late.page.locator("#empty", { hasText: "waiting for the API" }).waitFor();
      await late.picture("outage-first", false);

      await project.onHost(`systemctl start ${unit}`);
      for (const one of [page, late.page]) {
        await one.locator('#state[data-state="live"]').waitFor();
        await one.locator("#outage").waitFor({ state: "hidden" });
      }
      await simulator.spot({ spotter: "DL1NEW", frequency: 21025.5, dx: "ZL4BACK", comment: "CW" });
      for (const one of [page, late.page])
        await one.locator("#rows tr", { hasText: "ZL4BACK" }).first().waitFor();
      await late.close();
      expect(complaints).toEqual([]);
    },
  );

  test.runIf(process.env["HOSTKIT_LONG"] === "1")("says that there is nothing yet", async () => {
    await project.onHost("systemctl stop dxcluster-scraper");
    await project.onHost(
      "runuser -u postgres -- psql -XAqt dxcluster -c 'truncate dx_spots, raw_spots, band_stations, callsigns, wwv_announcements'",
    );
    // The API keeps what it counted for a while.
    await project.onHost(`systemctl restart ${await findApi()}`);
    open = await openSite(browser, site);
    const { page, picture, hindrances, complaints } = open;
    await page.locator('#state[data-state="live"]').waitFor();
    await page.locator("#empty", { hasText: "no spots yet" }).waitFor();
    await page.locator("#map-count", { hasText: "0 paths" }).waitFor();
    await page.locator("#fall-note", { hasText: "Nothing heard on 20m" }).waitFor();
    await page.locator('#conditions li[data-band="20m"][data-level="red"]').waitFor();
    expect(await page.locator("#sfi").textContent()).toBe("–");
    await picture("empty");
    expect(await hindrances()).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
