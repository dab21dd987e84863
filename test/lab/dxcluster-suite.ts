import { nodeImageTag } from "../../src/lab/node-image.ts";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findOpenPorts } from "../../src/host/prove.ts";
import type { LabOs } from "../../src/lab/systems.ts";
import { downLabHost, upLabHost } from "../../src/lab/host.ts";
import { rebootLabHost, runOnLabHost } from "../../src/lab/login.ts";
import { getSite, makeDxCluster, startSimulator, until } from "../harness/lab-project.ts";
import type { LabProject, Simulator } from "../harness/lab-project.ts";

const site = "dx.example.org";
const secret = "tell-nobody-5f1c9a";

/** Everything a host is made of that an uninstall must put back; what Debian itself rewrites at any time is left out. */
const snapshot = `
dpkg-query -W -f '\${Package} \${db:Status-Abbrev}\\n' | grep -v '^rc'
getent passwd; getent group
find /etc -xdev \\( -name '*.dpkg-*' -o -path /etc/ssl -o -name 'ld.so.cache' -o -name '.pwd.lock' -o -path '/etc/systemd/system/docker.service.d*' -o -name '*-' -o -name machine-id -o -name subuid -o -name subgid \\) -prune -o -print | sort
sha256sum /etc/ssh/sshd_config /etc/ssh/sshd_config.d/* /etc/hosts /etc/sysctl.conf /etc/sysctl.d/* 2>/dev/null
find / -xdev -maxdepth 1 | sort; ls /opt /srv /usr/local/bin /usr/local/sbin /var/backups /home
systemctl list-unit-files --no-legend --state=enabled | awk '{print $1}'
nft list tables 2>/dev/null || true`;

/** Provisions the DX Cluster stack on a lab host and looks at it from outside; one file a release, so that they run side by side. */
export function describeDxCluster(os: LabOs): void {
  describe(`the DX Cluster stack on ${os}`, () => {
    let project: LabProject;
    let simulator: Simulator;
    let bare: string;

    const get = (where: string) => getSite(project.host.address, site, where);
    const isHealthy = async (): Promise<boolean> =>
      (await get("/api/health")).status === 200 && (await get("/")).status === 200;
    const countSpots = async (): Promise<number> =>
      Number(
        await project.onHost(
          "runuser -u postgres -- psql -XAtqc 'select count(*) from dx_spots' dxcluster",
        ),
      );

    beforeAll(async () => {
      simulator = await startSimulator();
      project = await makeDxCluster(`dx-${os.slice(-2)}`, os, simulator.port);
      bare = await project.onHost(snapshot);
      await project.write(".env", `DX_SECRET=${secret}\n`);
      await project.edit(
        [["web", "api", "env_file"], ".env"],
        [["services", "scraper", "env_file"], ".env"],
      );
    });

    afterAll(async () => {
      await simulator?.stop();
      await project?.down();
    });

    test("one command makes the bare host a running one", async () => {
      const result = await project.hostkit("provision", "--yes");
      expect(result.exitCode, `${result.stdout}\n${result.stderr}`).toBe(0);
      expect(result.stdout).toContain(`https://${site}`);
      expect(result.stdout).toContain("dxcluster-scraper.service");
    });

    test("directly afterwards there is nothing to do", async () => {
      const plan = await project.hostkit("plan");
      expect(plan.exitCode, plan.stdout + plan.stderr).toBe(0);
      const again = await project.hostkit("provision", "--yes", "--json");
      expect(again.exitCode, again.stderr).toBe(0);
      expect(again.stdout).not.toContain('"event":"step"');
    });

    test("the site answers over TLS that its own CA signed, and HTTP leads there", async () => {
      const ca = await project.onHost(
        "cat /var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt",
      );
      const page = await getSite(project.host.address, site, "/", ca);
      expect(page.status).toBe(200);
      expect(page.headers["strict-transport-security"]).toContain("max-age=");
      const plain = await fetch(`http://${project.host.address}/`, {
        headers: { host: site },
        redirect: "manual",
      });
      expect([301, 308]).toContain(plain.status);
    });

    test("a spot that the node announces is in the API", async () => {
      await simulator.spot({
        spotter: "F5ABC",
        frequency: 14025.5,
        dx: "VP8LP",
        comment: "CW up 2",
      });
      await until("the spot is in the API", async () =>
        (await get("/api/spots?dx_call=VP8LP")).body.includes("VP8LP"),
      );
      expect(JSON.parse((await get("/api/spots?dx_call=VP8LP")).body)).toMatchObject({});
    });

    test("one systemd target shows the whole stack", async () => {
      const units = await project.onHost(
        "systemctl list-dependencies --plain --no-pager dxcluster.target",
      );
      for (const unit of [
        "scraper.service",
        "api-a.service",
        "dashboard-a.service",
        "postgresql",
        "caddy.service",
        "backup",
      ]) {
        expect(units).toContain(unit);
      }
    });

    test("provision itself made the first backups", async () => {
      const list = await project.hostkit("backup", "list");
      expect(list.exitCode, list.stderr).toBe(0);
      expect(list.stdout).toMatch(/full/);
    });

    test("the host brings them back into a throwaway place, and says so", async () => {
      const verified = await project.hostkit("backup", "verify");
      expect(verified.exitCode, verified.stdout + verified.stderr).toBe(0);
      expect(verified.stdout).toMatch(
        /✓ dx1: drill postgres in local: .*\n.*✓ dx1: drill files in local: /s,
      );
    });

    test("systemd-analyze rates every unit that hostkit wrote or hardened 2.0 or better", async () => {
      const audit = await execa(
        "bash",
        ["scripts/audit", "--lab", project.host.name, "--only", "units", "--skip-setup"],
        { reject: false, all: true },
      );
      expect(audit.exitCode, audit.all).toBe(0);
      expect(audit.stdout).toMatch(/dxcluster-scraper\.service +\d/);
      expect(audit.stdout).toMatch(/dxcluster-api-[ab]\.service +\d/);
    });

    test("services and containers run as users of their own", async () => {
      const users = await project.onHost(
        "ps -eo user:40,args | grep -E 'dx-scraper|server.cjs' | grep -v grep | grep -v 'docker run'",
      );
      for (const line of users.split("\n")) expect(line).not.toMatch(/^root /);
      expect(users.split("\n").length).toBeGreaterThanOrEqual(3);
    });

    test("a secret is in no argument, journal, unit property, readable file or image", async () => {
      const places = [
        "cat /proc/[0-9]*/cmdline",
        "journalctl --no-pager",
        "systemctl show '*'",
        "find / -xdev -type f -perm -o=r -size -1M -not -path '/proc/*' -not -path '/sys/*' -print0 | xargs -0 grep -l tell-nobody",
        "docker image ls -q | xargs docker image inspect; docker image ls -q | xargs -n1 docker history --no-trunc",
        // What starts a release again has its secrets: root's alone, as where it serves.
        "find /var/lib/hostkit/dxcluster -type f -not -path '*/releases/*/*/[ab]/*' -print0 | xargs -0 grep -l tell-nobody",
        "find /var/lib/hostkit/dxcluster/releases ! -user root -o -type f ! -perm 600 -o -type d ! -perm 700 | grep -v tell-nobody",
      ];
      for (const place of places) {
        const { stdout } = await project.tryOnHost(`{ ${place}; } 2>/dev/null | tr '\\0' ' '`);
        expect(stdout, place).not.toContain("tell-nobody");
        if (place.includes("grep -")) expect(stdout.trim(), place).toBe("");
      }
    });

    test("from outside only 22, 80 and 443 answer, whatever Docker publishes and whoever routes to the bridge", async () => {
      await project.onHost(
        "docker run -d --name by-hand -p 0.0.0.0:9999:8050 --network bridge $(docker image ls -q hostkit/dxcluster-dashboard | head -1)",
      );
      const inside = await project.onHost(
        "docker inspect -f '{{.NetworkSettings.IPAddress}}' by-hand",
      );
      await until(
        "the container answers on its host",
        async () =>
          (await project.tryOnHost("curl -fsS -m 2 http://127.0.0.1:9999/health")).exitCode === 0,
      );
      const neighbour = await upLabHost({ name: `nb-${project.host.name}`, os: "debian-13" });
      try {
        const probe = await runOnLabHost(
          neighbour,
          `ip route add 172.16.0.0/12 via ${project.host.address}; for t in ${inside}/8050 ${project.host.address}/9999; do timeout 3 bash -c "exec 3<>/dev/tcp/$t" 2>/dev/null && echo "open $t"; done; timeout 3 bash -c "exec 3<>/dev/tcp/${project.host.address}/443" && echo 443`,
        );
        expect(probe.stdout.trim()).toBe("443");
      } finally {
        await downLabHost(neighbour.name);
      }
      for (const address of [project.host.address, project.host.address6]) {
        const open: number[] = [];
        for (let from = 1; from < 65536; from += 4096) {
          const ports = Array.from(
            { length: Math.min(4096, 65536 - from) },
            (_, index) => from + index,
          );
          open.push(
            ...(await findOpenPorts(
              address,
              ports.filter((candidate) => candidate !== 22),
              700,
            )),
          );
        }
        expect(open, address).toEqual([80, 443]);
      }
      await project.onHost("docker rm -f by-hand");
    });

    test.each([
      ["an edited file", "echo '# mine' >>/etc/caddy/Caddyfile", "Caddyfile"],
      [
        "a removed unit",
        "systemctl disable --now dxcluster-scraper; rm /etc/systemd/system/dxcluster-scraper.service; systemctl daemon-reload",
        "dxcluster-scraper.service",
      ],
      ["a stopped container", "systemctl stop dxcluster-api-a.service", "release:api"],
    ])("%s is named by plan and mended by provision", async (_what, command, name) => {
      await project.onHost(command);
      const plan = await project.hostkit("plan");
      expect(plan.exitCode, plan.stderr).toBe(2);
      expect(plan.stdout).toContain(name);
      const mended = await project.hostkit("provision", "--yes");
      expect(mended.exitCode, mended.stdout + mended.stderr).toBe(0);
      await until("all is well again", isHealthy);
    });

    test("everything that is killed comes back by itself", async () => {
      const pids = [
        "pgrep -xo dockerd || pidof dockerd",
        "systemctl show -p MainPID --value postgresql@*-main.service",
        "systemctl show -p MainPID --value caddy.service",
        "systemctl show -p MainPID --value dxcluster-scraper.service",
        "docker inspect -f '{{.State.Pid}}' dxcluster-api-a || docker inspect -f '{{.State.Pid}}' dxcluster-api-b",
      ];
      for (const pid of pids) {
        await project.onHost(`kill -9 $(${pid} 2>/dev/null | head -1)`);
        await until(`healthy after kill -9 of ${pid}`, isHealthy, 45);
      }
      const before = await countSpots();
      await until("spots come in again", async () => (await countSpots()) > before, 45);
    });

    test("an image that does not build leaves the old release serving and tells why", async () => {
      const good = await project.read("dashboard/Dockerfile");
      await project.write("dashboard/Dockerfile", `${good}\nRUN echo this cannot work && false\n`);
      const failed = await project.hostkit("provision", "--yes");
      await project.write("dashboard/Dockerfile", good);
      expect(failed.exitCode).toBe(1);
      expect(failed.stderr).toContain("this cannot work");
      expect((await get("/")).status).toBe(200);
    });

    test("a release that never gets healthy is taken back; its last lines are shown", async () => {
      await project.edit([["web", "dashboard", "health"], { path: "/nowhere", grace: "5s" }]);
      const failed = await project.hostkit("provision", "--yes");
      expect(failed.exitCode, failed.stdout).toBe(1);
      expect(failed.stderr).toMatch(/not healthy|nowhere/);
      expect((await get("/")).status).toBe(200);
      await project.edit([["web", "dashboard", "health"], "/health"]);
      const mended = await project.hostkit("provision", "--yes");
      expect(mended.exitCode, mended.stderr).toBe(0);
    });

    test("a failing migration is rolled back, and what ran goes on running", async () => {
      await project.write(
        "db/migrations/0099_broken.sql",
        "create table half (id int);\nselect * from no_such_table;\n",
      );
      const failed = await project.hostkit("provision", "--yes");
      expect(failed.exitCode, failed.stdout).toBe(1);
      expect(failed.stderr).toContain("no_such_table");
      expect(
        await project.onHost(
          "runuser -u postgres -- psql -XAtqc \"select to_regclass('half') is null\" dxcluster",
        ),
      ).toBe("t");
      expect(await isHealthy()).toBe(true);
      await project.write("db/migrations/0099_broken.sql", "create table whole (id int);\n");
      const mended = await project.hostkit("provision", "--yes");
      expect(mended.exitCode, mended.stderr).toBe(0);
    });

    test("a changed image takes over without a failed request", async () => {
      const file = await project.read("dashboard/Dockerfile");
      await project.write("dashboard/Dockerfile", `${file}\nLABEL version=2\n`);
      let isOver = false;
      const statuses: number[] = [];
      const visitor = (async () => {
        while (!isOver) statuses.push((await get("/health").catch(() => ({ status: 0 }))).status);
      })();
      const result = await project.hostkit("provision", "--yes");
      isOver = true;
      await visitor;
      expect(result.exitCode, result.stderr).toBe(0);
      expect(statuses.filter((status) => status !== 200)).toEqual([]);
      expect(
        await project.onHost("systemctl is-active dxcluster-dashboard-a.service || true"),
      ).toBe("inactive");
    });

    test("a second provision at the same time is refused with the first one's name; a killed controller loses nothing", async () => {
      await project.onHost("rm /etc/sysctl.d/60-hostkit.conf");
      await project.edit([["web", "dashboard", "env"], { ROUND: "3" }]);
      const first = project.start("provision", "--yes", "--json");
      await until(
        "the run is going on",
        async () =>
          (await project.tryOnHost("systemctl list-units --no-legend 'hostkit-run-*' | grep -q ."))
            .exitCode === 0,
        20,
      );
      // However long the second one takes to look, the first is still there.
      const runner = '"$(cat "$(ls -d /var/lib/hostkit/dxcluster/runs/*/ | tail -n 1)pid")"';
      await project.onHost(`kill -STOP ${runner}`);
      const second = await project.hostkit("provision", "--yes");
      expect(second.exitCode, second.stdout + second.stderr).toBe(75);
      expect(second.stderr).toContain("hostkit attach");
      first.kill("SIGKILL");
      await first;
      await project.onHost(`kill -CONT ${runner}`);
      const attached = await project.hostkit("attach");
      expect(attached.exitCode, attached.stdout + attached.stderr).toBe(0);
      expect((await project.hostkit("plan")).exitCode).toBe(0);
    });

    test("after a reboot everything is up without help", async () => {
      await rebootLabHost(project.host);
      await until("healthy after the reboot", isHealthy);
      const before = await countSpots();
      await until("spots come in after the reboot", async () => (await countSpots()) > before);
      const plan = await project.hostkit("plan");
      expect(plan.exitCode, plan.stdout).toBe(0);
    });

    test("uninstall leaves the host as it was before", async () => {
      // The lab brought it: while an image of somebody else is there, Docker stays.
      await project.onHost(`docker image rm ${nodeImageTag}`);
      const result = await project.hostkit("uninstall", "--yes", "--delete-data");
      const said = result.stdout + result.stderr;
      expect(result.exitCode, said).toBe(0);
      const isGone = async () =>
        (await project.tryOnHost("test -e /var/lib/hostkit")).exitCode !== 0;
      await until(`the last folder is gone after: ${said.slice(-3000)}`, isGone);
      const after = await project.onHost(snapshot);
      const [had, has] = [new Set(bare.split("\n")), new Set(after.split("\n"))];
      expect(
        [...has].filter((line) => !had.has(line)),
        "left behind",
      ).toEqual([]);
      expect(
        [...had].filter((line) => !has.has(line)),
        "missing",
      ).toEqual([]);
    });
  });
}
