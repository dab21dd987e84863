import { describe, expect, test } from "vitest";
import { HostkitError } from "../../../src/errors.ts";
import type { Installs } from "../../../src/plan/page/contents.ts";
import { makePlanPage } from "../../../src/plan/page/page.ts";
import type { PageInput, PlanPage } from "../../../src/plan/page/page.ts";
import { makeColors } from "../../../src/report/colors.ts";
import { listMeanings } from "../../../src/report/plan-meaning.ts";
import { renderPlanPage } from "../../../src/report/plan-page.ts";
import type { PageStyle } from "../../../src/report/plan-page.ts";
import { describePlans } from "../../../src/report/plan.ts";
import { fitForTerminal } from "../../../src/report/terminal-text.ts";
import { planDxCluster } from "../../harness/first-plan.ts";

const plain = makeColors({ isTTY: false }, {});
const style: PageStyle = { colors: plain, width: 80, details: false, verbose: false };

function shownOf(input: PageInput, system = "Debian 13") {
  return { plan: input.plan, system, page: makePlanPage(input) };
}

/** Some of the changes of the first provision, as they would be later. */
async function later(
  ids: readonly string[],
  parts: Partial<PageInput["plan"]["changes"][number]> = {},
): Promise<PageInput> {
  const input = await planDxCluster();
  const changes = input.plan.changes
    .filter(({ id }) => ids.includes(id))
    .map((change) => ({
      ...change,
      action: "update" as const,
      because: "content differs",
      ...parts,
    }));
  return { ...input, plan: { ...input.plan, changes } };
}

describe("a first provision", () => {
  test("is a screenful on a terminal of 80 columns", async () => {
    const shown = shownOf(await planDxCluster(), "Debian GNU/Linux 13 (trixie)");
    const text = renderPlanPage(shown, style);
    const lines = text.split("\n");
    expect(lines.length, text).toBeLessThanOrEqual(24);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(text).not.toContain("does not exist");
  });

  test("says what it comes to", async () => {
    const text = renderPlanPage(shownOf(await planDxCluster()), { ...style, width: Infinity });
    for (const line of [
      /^ {2}runs {7}scraper {4}native \(dist\/dx-scraper\.deb\)$/m,
      /^ {13}api {8}https:\/\/dx\.example\.org\/api\/\* {2}container \(\.\/api\)$/m,
      /^ {2}installs {3}\d+ packages and what they need; 2\.3 MiB are sent from here$/m,
      /^ {2}opens {6}80\/tcp, 443\/tcp, 443\/udp$/m,
      /^ {2}closes {5}every other port from outside but ssh; nothing listens there now$/m,
      /^ {2}no undo {4}8 migrations of dxcluster, up to 0008_/m,
      /^ {2}guarded {4}sshd and firewall, undone if this machine cannot get in afterwards$/m,
      /^ {2}takes {6}not known: nothing like it was done on this host yet$/m,
      /^ {2}api {8}\+ 1 user, 1 image, 1 release$/m,
    ])
      expect(text).toMatch(line);
  });

  test("what is worth a note stands in it too, with what it is about", async () => {
    const input = await planDxCluster();
    const changes = input.plan.changes.map((change) =>
      change.id === "unit:docker.service" ? { ...change, notes: ["stays as it was"] } : change,
    );
    const shown = shownOf({ ...input, plan: { ...input.plan, changes } });
    expect(renderPlanPage(shown, style)).toContain("unit:docker.service: stays as it was");
  });

  test("with details every change is there, with all that differs", async () => {
    const input = await planDxCluster();
    const text = renderPlanPage(shownOf(input), { ...style, details: true });
    for (const { id } of input.plan.changes) expect(text).toContain(id);
    expect(text).toContain("+Unattended-Upgrade::Automatic-Reboot");
    expect(text).not.toContain("· write");
    expect(renderPlanPage(shownOf(input), { ...style, details: true, verbose: true })).toContain(
      "· write",
    );
  });

  test("in JSON the page stands beside all that was there before", async () => {
    const input = await planDxCluster();
    const [host] = describePlans("dxcluster", [shownOf(input)]).hosts;
    expect(host?.changes).toHaveLength(input.plan.changes.length);
    expect(host?.page).toMatchObject({
      takes: { unknown: expect.arrayContaining(["packages:apt"]) as string[] },
      openings: { opens: ["80/tcp", "443/tcp", "443/udp"] },
    });
    const headed = host?.page?.headings.flatMap(({ changes }) => changes);
    expect(headed?.toSorted()).toEqual(host?.changes.map(({ id }) => id).toSorted());
  });
});

describe("a small change", () => {
  test("names each change with its reason, its notes and its variables", async () => {
    const input = await later(["release:api", "file:/etc/apt/apt.conf.d/52hostkit"], {
      ...{ notes: ["watched for 15 s"], variables: ["~ LEVEL (another value)"], difference: [] },
    });
    expect(renderPlanPage(shownOf(input), style)).toBe(`\
dx1 (Debian 13): 2 changes (2 to update)
  takes      not known: nothing like it was done on this host yet

  api        ~ release:api  content differs
               ~ LEVEL (another value)
               watched for 15 s
  host       ~ file:/etc/apt/apt.conf.d/52hostkit  content differs
               ~ LEVEL (another value)
               watched for 15 s
  every file and difference: hostkit plan --details`);
  });

  test("an update says how many lines differ, without the names of variables", async () => {
    const input = await later(["file:/etc/issue", "release:api"], {
      variables: ["+ LEVEL"],
      difference: ["+ LEVEL", "--- /etc/x", "@@ -1,2 +1,2 @@", " same", "-one", "-two", "+three"],
    });
    const text = renderPlanPage(shownOf(input), style);
    expect(text).toContain("~ file:/etc/issue  content differs (+1 -2 lines)\n");
  });

  test("many new things of a heading are counted, few are named", async () => {
    const ids = [
      "user:dxcluster-api",
      "image:dxcluster-api",
      "release:api",
      "user:dxcluster-dashboard",
    ];
    const input = await later(ids, { action: "create", because: "does not exist" });
    const text = renderPlanPage(shownOf(input), style);
    expect(text).toContain("  api        + 1 user, 1 image, 1 release\n");
    expect(text).toContain("  dashboard  + user:dxcluster-dashboard  does not exist\n");
  });

  test("nothing to change stays one line, with details too", async () => {
    const shown = shownOf(await later([]));
    for (const details of [false, true])
      expect(renderPlanPage(shown, { ...style, details })).toBe(
        "dx1 (Debian 13): nothing to change",
      );
  });

  test("what provision would refuse stands at the end", async () => {
    const obstacle = new HostkitError("port_taken", {
      ...{ what: "port 80 is taken", where: "dx1", why: "", next: "ss -ltn" },
    });
    const shown = { ...shownOf(await later(["release:api"])), obstacles: [obstacle] };
    for (const details of [false, true])
      expect(renderPlanPage(shown, { ...style, details })).toContain(
        "\n\n  provision would refuse: port 80 is taken\n  next: ss -ltn",
      );
  });
});

describe("rows", () => {
  const mebibyte = 1024;
  test.each<[string, Installs, number, string]>([
    ["a host without lists", { packages: ["caddy"] }, 0, "caddy and what it needs"],
    [
      "one with lists",
      { packages: ["a", "b"], count: 12, archives: 2 * mebibyte, installed: 10 * mebibyte },
      0,
      "a, b; 12 packages with all that is needed; 2.0 MiB to fetch; 10 MiB on the disk",
    ],
    ["nothing but themselves", { packages: ["a", "b"], count: 2 }, 0, "a, b"],
    ["many", { packages: [..."abcde"] }, 0, "5 packages and what they need"],
    ["and what is sent", { packages: ["a"], count: 1 }, 4096, "a; 4.0 KiB are sent from here"],
  ])("installs: %s", async (_name, installs, sends, expected) => {
    const { page } = shownOf(await later(["release:api"]));
    expect(listMeanings({ ...page, installs, sends })).toContainEqual(["installs", expected]);
  });

  test("builds: what is built elsewhere, and where", async () => {
    const { page } = shownOf(await later(["release:api"]));
    expect(
      listMeanings({ ...page, builds: ["api on this machine", "page on builder"] }),
    ).toContainEqual([
      "builds",
      "api on this machine, page on builder; the layers that the host lacks are sent",
    ]);
  });

  test.each<[string, PlanPage["takes"], string]>([
    [
      "nothing is known",
      { unknown: ["image:a"] },
      "not known: nothing like it was done on this host yet",
    ],
    [
      "only quick things",
      { unknown: [] },
      "not measured on this host yet; only what is usually quick",
    ],
    ["all is known", { seconds: 20.6, unknown: [] }, "about 21 s, by this host's last runs"],
    ["less than a second", { seconds: 0.04, unknown: [] }, "about 1 s, by this host's last runs"],
    ["a part is", { seconds: 4, unknown: ["image:a"] }, "4 s or more; not known for image:a"],
    [
      "much is not",
      { seconds: 130, unknown: ["image:a", "image:b", "image:c", "image:d", "image:e"] },
      "2 min 10 s or more; not known for image:a, image:b, image:c and 2 more",
    ],
  ])("takes: %s", async (_name, takes, expected) => {
    const { page } = shownOf(await later(["release:api"]));
    expect(listMeanings({ ...page, takes })).toContainEqual(["takes", expected]);
  });

  test.each<[string, PlanPage["pauses"][number], string]>([
    ["never done", { what: "a" }, "a (not known for how long)"],
    ["done once", { what: "a", seconds: 1.03 }, "a (1.0 s last time)"],
    [
      "a part of it",
      { what: "a", seconds: 24, isPartly: true },
      "a (for a part of the release, which took 24 s last time)",
    ],
    ["perhaps", { what: "a", onlyIf: "b" }, "a (only if b; not known for how long)"],
  ])("restarts: %s", async (_name, pause, expected) => {
    const { page } = shownOf(await later(["release:api"]));
    expect(listMeanings({ ...page, pauses: [pause] })).toContainEqual(["restarts", expected]);
  });
});

describe("any terminal", () => {
  test.each([20, 33, 40, 59, 60, 80, 200])("no line is wider than %i columns", async (width) => {
    const small = await later(["release:api", "caddy:/etc/caddy/Caddyfile"], {
      because: `/etc/${"long/".repeat(30)}name content differs`,
    });
    for (const input of [small, await planDxCluster()])
      for (const line of renderPlanPage(shownOf(input), { ...style, width }).split("\n"))
        expect(line.length, line).toBeLessThanOrEqual(Math.max(width, 24));
  });

  test("with colours it says the same", async () => {
    const colors = makeColors({ isTTY: true }, { TERM: "xterm" });
    const small = await later(["release:api", "file:/etc/issue"], { notes: ["a note"] });
    for (const input of [small, await planDxCluster()]) {
      const text = fitForTerminal(renderPlanPage(shownOf(input), { ...style, colors }));
      expect(text).toContain("\u001b[");
      expect(text.replace(/\u001b\[\d+m/g, "")).toBe(renderPlanPage(shownOf(input), style));
    }
  });

  test("text from the host cannot steer it", async () => {
    const evil = "\u001b]0;x\u0007\u001b[2Jis \u202egone\nfake: line";
    const input = await later(["release:api"], { because: evil, notes: [evil], variables: [evil] });
    const text = renderPlanPage(shownOf(input), style);
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(text).not.toMatch(/^fake/m);
  });
});
