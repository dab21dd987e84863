import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { downLabHost, upLabHost } from "../../src/lab/host.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { runOnLabHost } from "../../src/lab/login.ts";
import { grantsOf, stackFolder } from "../harness/dx-stack.ts";
import { findFreePorts, startSimulator, until } from "../harness/lab-project.ts";
import type { Simulator } from "../harness/lab-project.ts";
import { troubles } from "../harness/troubled-lines.ts";

const deb = path.join(stackFolder, "dist/dx-scraper.deb");

/** What a package can leave behind; nss-systemd shows the users that services have only while they run. */
const snapshot = `
getent passwd; getent group
find /etc /usr /opt /srv /var/lib /var/cache /var/log /run/systemd -xdev \\( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache/apt -o -path /var/cache/man -o -path /var/lib/postgresql -o -path '/run/systemd/*' -o -path /var/log/journal -o -path /var/log/postgresql \\) -prune -o -print | sort`;

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
  let secondPort: number;
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
    [secondPort] = await findFreePorts();
    simulator = await startSimulator(
      ...["--also", `${secondPort}:cccluster`, "--password", "73 es gl", "--numbered"],
    );
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
    const folder = path.join(stackFolder, "db/migrations");
    const migrations = readdirSync(folder).sort();
    await onHost(
      `${psql("dxcluster", "dx_owner")} -1`,
      migrations.map((file) => readFileSync(path.join(folder, file), "utf8")).join("\n"),
    );
    await onHost(psql("dxcluster"), grantsOf("dx_scraper"));
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
    const nodes = [simulator.port, secondPort].map((port) => `${gateway}:${port}`);
    await onHost(
      `cat >>/etc/dx-scraper/dx-scraper.conf
      (umask 077; echo '73 es gl' >/etc/dx-scraper/password)
      mkdir -p /etc/systemd/system/dx-scraper.service.d
      printf '[Service]\\nLoadCredential=DX_PASSWORD:/etc/dx-scraper/password\\n' >/etc/systemd/system/dx-scraper.service.d/password.conf
      systemctl daemon-reload; systemctl enable -q --now dx-scraper.service`,
      `DX_NODES=${nodes.join(",")}\nDX_CALLSIGN=N0CALL\nDX_METRICS=127.0.0.1:9465\n`,
    );
    await until("both nodes let it in", async () =>
      (await onHost("systemctl show -p StatusText dx-scraper.service")).includes(
        "2 of 2 nodes connected",
      ),
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

  test("the same spot from two nodes is stored once", async () => {
    const fromBoth = `select count(*) from (select from raw_spots where kind = 'spot' and raw_text like '% nr %'
      group by substring(raw_text from 'nr [0-9]+ ') having count(distinct node) = 2) as number;`;
    await until(
      "both nodes told of twenty spots",
      async () => Number(await onHost(psql("dxcluster"), fromBoth)) >= 20,
    );
    const counts = `select count(*) = count(distinct comment) from dx_spots where comment like 'nr %';`;
    expect(await onHost(psql("dxcluster"), counts)).toBe("t");
  });

  test("what is strange, broken or too long is kept as it came, and counted", async () => {
    for (const [, sent] of troubles) await simulator.raw(sent);
    for (const [what, , kind, text, length] of troubles) {
      const found = `select count(*) from raw_spots where kind = '${kind}' and starts_with(raw_text, $$${text}$$) and length(raw_text) = ${length};`;
      await until(what, async () => (await onHost(psql("dxcluster"), found)) === "1");
    }
    const calls =
      "select string_agg(dx_call, ' ' order by dx_call) from dx_spots where dx_call ~ '^VP8L[A-E]$';";
    expect(await onHost(psql("dxcluster"), calls)).toBe("VP8LA VP8LB VP8LC VP8LE");
    const metrics = await onHost(
      `perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new("127.0.0.1:9465") or die; print $s "GET /metrics HTTP/1.0\r\n\r\n"; print <$s>'`,
    );
    expect(metrics).toContain("\ndx_scraper_lines_cut_total 2\n");
    expect(metrics).toMatch(/^dx_scraper_lines_received_total\{.*kind="broken"\} 4$/m);
    expect(metrics).toContain("\ndx_scraper_rows_rejected_total 0\n");
    await expect(fetch(`http://${host.address}:9465/metrics`)).rejects.toThrow();
  });

  test("systemd-analyze rates its unit 1.5 or better", async () => {
    const { exitCode, stdout } = await tryOnHost(
      "systemd-analyze security --no-pager --threshold=15 dx-scraper.service",
    );
    expect(exitCode, stdout).toBe(0);
    expect(stdout).toMatch(/Overall exposure level for dx-scraper\.service/);
  });

  test("a stop in the middle of a start is a stop, not a failure", async () => {
    // The scraper gets SIGTERM before it listens for it, or a second one as it ends.
    for (const seconds of ["0.1", "0.2", "0.4", "0.8"]) {
      await onHost(
        `systemctl stop dx-scraper.service; systemctl start --no-block dx-scraper.service; sleep ${seconds}; systemctl stop dx-scraper.service`,
      );
      expect(
        await onHost("systemctl show -p ActiveState -p Result --value dx-scraper.service"),
        `stopped ${seconds} s after the start`,
      ).toBe("success\ninactive");
    }
    await onHost("systemctl start dx-scraper.service");
  });

  test("a purge leaves no user, file, unit or state", async () => {
    // What the administrator wrote stays the administrator's.
    await onHost(
      "rm -r /etc/dx-scraper/password /etc/systemd/system/dx-scraper.service.d; dpkg -P dx-scraper >/dev/null",
    );
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
