import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { powerOffLabHost, powerOnLabHost } from "../../src/lab/host.ts";
import { getSite, makeProject, until } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";
import { succeed } from "../harness/release-project.ts";
import { startVisitors } from "../harness/stream-visitors.ts";
import type { StreamVisitors } from "../harness/stream-visitors.ts";

const isLongRun = process.env["HOSTKIT_LONG"] === "1";
const os = process.env["HOSTKIT_LAB_OS"] === "debian-12" ? "debian-12" : "debian-13";
const server = path.resolve(import.meta.dirname, "../../scripts/bench-deploy.d/server.cjs");

/** A changed configuration is read by a second Caddy: nobody's request or stream is lost by it. */
describe(`a second Caddy takes over, on ${os}`, { sequential: true }, () => {
  let project: LabProject;
  let visitors: StreamVisitors | undefined;

  beforeAll(async () => {
    project = await makeProject(
      "handover",
      os,
      `stack: shop
hosts: {}
web: { talk: { exec: /usr/bin/node /srv/server.cjs, port: 8000 } }
proxy: { sites: { talk.lab.example: { tls: internal, routes: talk } } }
host: { updates: none }
firewall: none
`,
      ["caddy", "nodejs"],
    );
    const program = Buffer.from(await readFile(server)).toString("base64");
    await project.onHost(
      `echo ${program} | base64 -d >/srv/server.cjs; echo one >/version; chmod 0644 /srv/server.cjs /version`,
    );
    await succeed(project.hostkit("provision", "--yes"));
  });
  afterEach(async () => {
    await visitors?.stop();
    visitors = undefined;
  });
  afterAll(() => project?.down());

  const enter = async () => {
    const entered = startVisitors(project.host.address, [
      { name: "talk.lab.example", rate: 30, websockets: 4, events: 3, slow: 2, slowSeconds: 5 },
    ]);
    visitors = entered;
    await until("all are there", async () => {
      const [talk] = await entered.look();
      return talk?.websockets.open === 4 && talk.events.open === 3;
    });
  };
  const expectNoneLost = async () => {
    const [talk] = (await visitors?.stop()) ?? [];
    visitors = undefined;
    if (talk === undefined) throw new Error("nobody was there");
    expect(talk.failures).toEqual([]);
    expect(talk.slow.failed).toEqual([]);
    expect([talk.websockets.opened, talk.events.opened]).toEqual([4, 3]);
  };
  const mainPid = () => project.onHost("systemctl show -p MainPID --value caddy.service");
  const leaving = () =>
    project.onHost(
      "systemctl list-units --plain --no-legend 'hostkit-caddy-leaving-*' | grep -c . || :",
    );
  const caddys = () =>
    project.onHost("pgrep -fc '^/usr/bin/caddy run --config /etc/caddy/Caddyfile'");
  const answerOf = async (site: string) => (await getSite(project.host.address, site, "/")).status;
  const addSite = (number: number) =>
    project.edit([
      ["proxy", "sites", `more-${number}.lab.example`],
      { tls: "internal", routes: "talk" },
    ]);

  test("another site: nothing is lost, and the first Caddy goes when nobody is left", async () => {
    await enter();
    const before = await mainPid();
    await addSite(1);
    expect((await project.hostkit("plan")).stdout).not.toMatch(/WebSocket|reloads Caddy/);
    await succeed(project.hostkit("provision", "--yes"));
    expect(await answerOf("more-1.lab.example")).toBe(200);
    expect(await mainPid()).not.toBe(before);
    expect(await leaving()).toBe("1");
    expect((await project.hostkit("plan")).exitCode).toBe(0);
    await expectNoneLost();
    await until("the first is gone", async () => (await caddys()) === "1", 20);
    expect(await leaving()).toBe("0");
    expect(await project.onHost("ls /run/hostkit-caddy")).toBe("http3\nway");
    expect(
      await project.onHost("ss -Hlnu sport = :443 | wc -l; ss -Hlnt sport = :443 | wc -l"),
    ).toBe("1\n1");
  });

  test("a second Caddy that does not become ready: the first has not noticed", async () => {
    await enter();
    const before = await mainPid();
    await project.onHost(
      `mv /usr/bin/caddy /usr/bin/caddy.real; printf '#!/bin/sh\\n[ "$1" != run ] || { echo no room for another >&2; exit 1; }\\nexec /usr/bin/caddy.real "$@"\\n' >/usr/bin/caddy; chmod 0755 /usr/bin/caddy`,
    );
    await addSite(2);
    const { exitCode, stderr } = await project.hostkit("provision", "--yes");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("no room for another");
    expect(await mainPid()).toBe(before);
    await project.onHost("mv -f /usr/bin/caddy.real /usr/bin/caddy");
    expect(await caddys()).toBe("1");
    await succeed(project.hostkit("provision", "--yes"));
    expect(await answerOf("more-2.lab.example")).toBe(200);
    await expectNoneLost();
  });

  test.runIf(isLongRun)("changes in a row: few wait, those with streams longest", async () => {
    await enter();
    for (let number = 0; number < 8; number += 1) await project.onHost("systemctl reload caddy");
    expect(Number(await caddys())).toBeLessThanOrEqual(6);
    await expectNoneLost();
    await until("all are gone", async () => (await caddys()) === "1", 20);
  });

  test.runIf(isLongRun)(
    "cut off when two listen: both serve, and the next provision ends it",
    async () => {
      await enter();
      const place = "/etc/systemd/system/caddy.service.d/90-cut.conf";
      await project.onHost(
        `printf '[Service]\\nExecReload=\\nExecReload=/usr/local/lib/hostkit/caddy-handover start\\n' >${place}; systemctl daemon-reload; systemctl reload caddy; rm ${place}; systemctl daemon-reload`,
      );
      expect(await caddys()).toBe("2");
      await addSite(3);
      await succeed(project.hostkit("provision", "--yes"));
      expect(await answerOf("more-3.lab.example")).toBe(200);
      expect(await project.onHost("ss -Hlnt sport = :443 | wc -l")).toBe("1");
      await expectNoneLost();
      await until("both are gone", async () => (await caddys()) === "1", 20);
    },
  );

  test.runIf(isLongRun)(
    "a host that does not let it be done: reloaded, and plan says so",
    async () => {
      // As a container without CAP_SYS_PTRACE answers.
      await project.onHost(
        "sed -i 's/pidfd_getfd => 438/pidfd_getfd => 100000/' /usr/local/lib/hostkit/caddy-handover; systemctl restart caddy",
      );
      expect(await project.onHost("cat /run/hostkit-caddy/way")).toMatch(/^reload: .*pidfd_getfd/);
      await addSite(4);
      expect((await project.hostkit("plan")).stdout).toContain("open WebSockets of every site");
      const before = await mainPid();
      await project.onHost("systemctl reload caddy");
      expect(await mainPid()).toBe(before);
      await succeed(project.hostkit("provision", "--yes"));
      expect(await answerOf("more-4.lab.example")).toBe(200);
    },
  );

  test.runIf(isLongRun)("a power cut while one leaves: one Caddy after the boot", async () => {
    await enter();
    await addSite(5);
    await succeed(project.hostkit("provision", "--yes"));
    await powerOffLabHost(project.host.name);
    await visitors?.stop();
    visitors = undefined;
    await powerOnLabHost(project.host.name);
    await until("it serves", async () => (await answerOf("more-5.lab.example")) === 200, 60);
    expect(await caddys()).toBe("1");
    expect((await project.hostkit("plan")).exitCode).toBe(0);
  });

  test.runIf(isLongRun)("uninstalled while one leaves: nothing of it stays", async () => {
    await enter();
    await project.onHost("systemctl reload caddy");
    await succeed(project.hostkit("uninstall", "--yes"));
    await until("nobody waits any more", async () => (await leaving()) === "0", 20);
    expect(
      await project.onHost(
        "ls -d /run/hostkit-caddy /usr/local/lib/hostkit /etc/caddy/hostkit 2>/dev/null || :",
      ),
    ).toBe("");
  });
});
