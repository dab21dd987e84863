import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { downLabHost, upLabHost } from "../../src/lab/host.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { runOnLabHost } from "../../src/lab/login.ts";
import { startSimulator, until } from "../harness/lab-project.ts";
import type { Simulator } from "../harness/lab-project.ts";

const stack = path.resolve(import.meta.dirname, "../../templates/stacks/dxcluster");
const deb = path.join(stack, "dist/dx-scraper.deb");

/** What a package can leave behind; nss-systemd shows the users that services have only while they run. */
const snapshot = `
getent passwd; getent group
find /etc /usr /opt /srv /var/lib /var/cache /var/log /run/systemd -xdev \\( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache/apt -o -path /var/cache/man -o -path /var/lib/postgresql -o -path '/run/systemd/*' -o -path /var/log/journal -o -path /var/log/postgresql \\) -prune -o -print | sort
systemctl list-unit-files --no-legend | awk '{ print $1, $2 }' | grep -v '\\.scope'`;

test("lintian finds nothing wrong with the package", async () => {
  const { exitCode, stdout } = await execa("lintian", ["--fail-on", "error,warning", deb], {
    reject: false,
  });
  expect(stdout).toBe("");
  expect(exitCode).toBe(0);
});

describe("the scraper's package by itself, on Debian 12", () => {
  const name = `scraper-deb-${process.pid}`;
  let host: LabHost;
  let simulator: Simulator;
  let before: string;

  const tryOnHost = (text: string, input?: string) =>
    runOnLabHost(host, text, input === undefined ? {} : { input });
  const onHost = async (text: string, input?: string): Promise<string> => {
    const result = await tryOnHost(`set -e; ${text}`, input);
    if (result.exitCode !== 0) throw new Error(`${text}\n${result.stdout}\n${result.stderr}`);
    return result.stdout.trim();
  };
  const psql = (database: string, role = "postgres"): string =>
    `runuser -u ${role} -- psql -XAtq -v ON_ERROR_STOP=1 -d ${database}`;

  beforeAll(async () => {
    simulator = await startSimulator();
    host = await upLabHost({ name, os: "debian-12" });
    await onHost(
      "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; apt-get install -y -qq --no-install-recommends postgresql nodejs libnss-systemd >/dev/null 2>&1; systemctl start postgresql.service; useradd --system dx_owner",
    );
    await until("PostgreSQL answers", async () => {
      const answer = await tryOnHost(`${psql("postgres")} -c 'select 1'`);
      return answer.stdout.trim() === "1";
    });
    await onHost(
      psql("postgres"),
      "create role dx_owner login; create role dx_scraper login;\ncreate database dxcluster owner dx_owner;",
    );
    await onHost(psql("dxcluster"), "create extension pg_trgm;");
    const folder = path.join(stack, "db/migrations");
    const migrations = readdirSync(folder).sort();
    await onHost(
      `${psql("dxcluster", "dx_owner")} -1`,
      migrations.map((file) => readFileSync(path.join(folder, file), "utf8")).join("\n"),
    );
    await onHost(
      psql("dxcluster"),
      "grant select, insert, update on raw_spots, dx_spots, callsigns, band_stations, wwv_announcements to dx_scraper;",
    );
    before = await onHost(snapshot);
    const file = await execa("base64", [deb]);
    await onHost(
      "base64 -d >/tmp/dx-scraper.deb; dpkg -i /tmp/dx-scraper.deb >/dev/null; rm /tmp/dx-scraper.deb",
      file.stdout,
    );
  });
  afterAll(async () => {
    await simulator?.stop();
    await downLabHost(name);
  });

  test("it starts nothing by itself, and without settings it says what is missing, once", async () => {
    expect((await tryOnHost("systemctl is-enabled dx-scraper.service")).stdout.trim()).toBe(
      "disabled",
    );
    expect((await tryOnHost("systemctl start dx-scraper.service")).exitCode).not.toBe(0);
    expect(
      await onHost("systemctl show -p ExecMainStatus -p NRestarts --value dx-scraper.service"),
    ).toBe("0\n78");
    expect(await onHost("journalctl -u dx-scraper.service -o cat")).toMatch(/DX_NODES/);
  });

  test("with settings it stores spots as a user that exists while it runs", async () => {
    const gateway = host.address.replace(/\.\d+$/, ".1");
    await onHost(
      "cat >>/etc/dx-scraper/dx-scraper.conf; systemctl enable -q --now dx-scraper.service",
      `DX_NODES=${gateway}:${simulator.port}\nDX_CALLSIGN=N0CALL\n`,
    );
    await simulator.spot({ spotter: "F5ABC", frequency: 14025.5, dx: "VP8LP", comment: "CW up 2" });
    await until(
      "the spot is stored",
      async () =>
        (await onHost(psql("dxcluster"), "select mode from dx_spots where dx_call = 'VP8LP';")) ===
        "CW",
    );
    expect(await onHost("ps -o user= -p $(systemctl show -p MainPID --value dx-scraper)")).toBe(
      "dx_scraper",
    );
  });

  test("systemd-analyze rates its unit 1.5 or better", async () => {
    const { exitCode, stdout } = await tryOnHost(
      "systemd-analyze security --no-pager --threshold=15 dx-scraper.service",
    );
    expect(exitCode, stdout).toBe(0);
    expect(stdout).toMatch(/Overall exposure level for dx-scraper\.service/);
  });

  test("a purge leaves no user, file, unit or state", async () => {
    await onHost("dpkg -P dx-scraper >/dev/null");
    expect((await tryOnHost("systemctl is-active dx-scraper.service")).stdout.trim()).toBe(
      "inactive",
    );
    const [had, has] = [before, await onHost(snapshot)].map((text) => new Set(text.split("\n")));
    expect(
      [...(has ?? [])].filter((line) => had?.has(line) !== true),
      "left behind",
    ).toEqual([]);
    expect(
      [...(had ?? [])].filter((line) => has?.has(line) !== true),
      "missing",
    ).toEqual([]);
  });
});
