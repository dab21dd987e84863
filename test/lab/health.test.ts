import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import { nodeImageTag } from "../../src/lab/node-image.ts";
import { makeProject, until } from "../harness/lab-project.ts";
import { testedSystems } from "../harness/systems.ts";
import type { LabProject } from "../harness/lab-project.ts";
import { servicePackages, succeed } from "../harness/release-project.ts";

/** What nobody can ask over HTTP is asked by a command: in its container, or as a native program's user in its sandbox. */
describe.each(testedSystems)("health as a command, on %s", { sequential: true }, (os) => {
  let project: LabProject;
  /** Ends with 3 where the file `sick` is there, never where `stuck` is. */
  const ask = `const fs = require("fs"); if (fs.existsSync("/things/stuck")) setInterval(() => {}, 1000); else if (fs.existsSync("/things/sick")) { console.log("no colour left"); process.exitCode = 3; }`;

  beforeAll(async () => {
    project = await makeProject(
      "health",
      os,
      `stack: shop
hosts: {}
services:
  beat:
    exec: sleep infinity
    health: { command: [test, "!", -e, /var/lib/shop-beat/sick], interval: 1s, timeout: 2s, grace: 4s, retries: 2 }
  worker:
    build: worker
    volumes: [things:/things]
    watch: none
    health: { command: [node, -e, ${JSON.stringify(ask)}], interval: 1s, timeout: 1s, grace: 12s, retries: 2 }
host: { updates: none }
firewall: none
`,
      servicePackages[os],
    );
    await offerNodeImage(project.host);
    await mkdir(path.join(project.folder, "worker"));
    await project.write(
      "worker/Dockerfile",
      `FROM ${nodeImageTag}\nCMD ["node", "-e", "process.on('SIGTERM', () => process.exit()); setInterval(() => {}, 1000)"]\n`,
    );
    await succeed(project.hostkit("provision", "--yes"));
  });
  afterAll(() => project?.down());

  const sh = (command: string) => project.onHost(command);
  const things = "/var/lib/docker/volumes/hostkit-shop-things/_data";
  const since = (unit: string) => sh(`systemctl show -p ActiveEnterTimestampMonotonic ${unit}`);

  test.each([
    { unit: "shop-beat", sick: "/var/lib/shop-beat/sick", said: "exit status 1" },
    { unit: "shop-worker-a", sick: `${things}/sick`, said: "exit status 3: no colour left" },
  ])("$unit is started again when it is not well, and not before", async ({ unit, sick, said }) => {
    const before = await since(unit);
    await sh("sleep 3");
    expect(await since(unit)).toBe(before);
    await sh(`touch ${sick}`);
    await until("it says so", async () =>
      (await sh(`journalctl -u ${unit} -o cat -n 50`)).includes(
        `health check failed (2 of 2): ${said}`,
      ),
    );
    await sh(`rm ${sick}`);
    await until(
      "it is well again",
      async () =>
        (await since(unit)) !== before &&
        (await sh(`systemctl is-active ${unit} || true`)) === "active",
    );
  });

  test("checks that hang are failed ones, and do not pile up", async () => {
    const checks = "pgrep -fc existsSync.*things/stuck || true";
    await sh(`touch ${things}/stuck`);
    await until("it is seen", async () =>
      (await sh("journalctl -u shop-worker-a -o cat -n 50")).includes("longer than 1 s"),
    );
    expect(Number(await sh(checks))).toBeLessThanOrEqual(3);
    await sh(`rm ${things}/stuck`);
    await until(
      "it is well again",
      async () => (await sh("systemctl is-active shop-worker-a || true")) === "active",
    );
  });

  test.each([
    {
      service: "beat",
      sick: "/var/lib/shop-beat/sick",
      said: "not healthy after 4 s: exit status 1",
    },
    {
      service: "worker",
      sick: `${things}/sick`,
      said: "not healthy yet: exit status 3: no colour left",
    },
  ])("$service that does not become well is no success, and the next finishes", async (bad) => {
    await project.edit([["services", bad.service, "env"], { RELEASE: "next" }]);
    await sh(`touch ${bad.sick}`);
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout).toBe(1);
    expect(result.stderr).toContain(bad.said);
    await sh(`rm ${bad.sick}`);
    await succeed(project.hostkit("provision", "--yes"));
    expect((await project.hostkit("plan")).exitCode).toBe(0);
  });
});
