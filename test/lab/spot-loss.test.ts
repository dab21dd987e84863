import { cp, mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { powerOffLabHost, powerOnLabHost } from "../../src/lab/host.ts";
import { databaseSection, stackFolder } from "../harness/dx-stack.ts";
import { makeProject, startSimulator, until } from "../harness/lab-project.ts";
import type { LabProject, Simulator } from "../harness/lab-project.ts";

const rate = 20;
const postgres = "'postgresql@*-main.service'";

/** The database and the scraper of the stack, without its web half. */
const manifest = stringify({
  stack: "spots",
  hosts: {},
  database: databaseSection("dx_scraper"),
  services: {
    scraper: {
      package: "dist/dx-scraper.deb",
      exec: "/usr/bin/dx-scraper",
      database: { name: "dxcluster", role: "dx_scraper" },
      env: { DX_NODES: "", DX_CALLSIGN: "N0CALL", DX_CATCH_UP: "20000" },
      watchdog: "10s",
    },
  },
});

/** Every spot has a number of its own in its comment: what is missing and what came twice can be named. */
const account = `select json_build_object(
  'stored', count(*), 'numbers', count(distinct number), 'highest', max(number),
  'missing', (select coalesce(array_agg(n), '{}') from (
    select n from generate_series(1, (select announced from told)) n where n not in (select number from numbered) limit 20) m),
  'counted', (select coalesce(sum(spot_count), 0) from band_stations),
  'spotted', (select coalesce(sum(total_spotted), 0) from callsigns))
from numbered`;

interface Account {
  readonly stored: number;
  readonly numbers: number;
  readonly highest: number;
  readonly missing: readonly number[];
  /** The same spots as the tables of counts have them. */
  readonly counted: number;
  readonly spotted: number;
}

describe.runIf(process.env["HOSTKIT_LONG"] === "1")(
  "no accepted spot is lost, on Debian 13",
  () => {
    let project: LabProject;
    let simulator: Simulator;

    const announced = async (): Promise<number> => (await simulator.status()).announced;
    const query = (text: string): Promise<string> =>
      project.onHost(`runuser -u postgres -- psql -XAtqd dxcluster -c "${text}"`);
    const read = async (): Promise<Account> =>
      JSON.parse(
        await query(
          `with told as (select ${await announced()} as announced), numbered as (select substring(comment from 'nr ([0-9]+) ')::int as number from dx_spots) ${account}`,
        ),
      );
    const property = (name: string): Promise<string> =>
      project.onHost(`systemctl show -p ${name} --value spots-scraper.service`);
    /** Whatever happened: a spot that is announced from now on gets there. */
    const flowsAgain = async (): Promise<void> => {
      const now = await announced();
      await until(
        `a spot after number ${now} is stored`,
        async () => (await read()).highest > now + rate,
        120,
      );
    };
    const goesOn = async (spots: number): Promise<void> => {
      const now = await announced();
      await until(`${spots} more spots`, async () => (await announced()) >= now + spots);
    };
    /** Stops the database, then the traffic; what was sent meanwhile is in the scraper's journal and nowhere else. */
    const onlyTheJournalKnows = async (): Promise<void> => {
      await project.onHost(`systemctl stop ${postgres}`);
      await goesOn(2 * rate);
      await simulator.tell("rate", { rate: 0 });
      const last = await announced();
      await until(
        `spot ${last} is in the journal`,
        async () =>
          (await project.tryOnHost(`grep -qh 'nr ${last} ' /var/lib/spots-scraper/journal-*.jsonl`))
            .exitCode === 0,
      );
      await simulator.tell("forget");
    };

    beforeAll(async () => {
      simulator = await startSimulator("--rate", String(rate), "--numbered", "--history", "20000");
      project = await makeProject("spot-loss", "debian-13", manifest);
      await mkdir(path.join(project.folder, "dist"));
      await cp(path.join(stackFolder, "db"), path.join(project.folder, "db"), { recursive: true });
      await cp(
        path.join(stackFolder, "dist/dx-scraper.deb"),
        path.join(project.folder, "dist/dx-scraper.deb"),
      );
      const gateway = project.host.address.replace(/\.\d+$/, ".1");
      await project.edit([
        ["services", "scraper", "env", "DX_NODES"],
        `${gateway}:${simulator.port}`,
      ]);
    });
    afterAll(async () => {
      await simulator?.stop();
      await project?.down();
    });

    test("hostkit provisions database and scraper", async () => {
      const result = await project.hostkit("provision", "--yes");
      expect(result.exitCode, result.stdout + result.stderr).toBe(0);
      await flowsAgain();
    });

    test("systemd-analyze rates the unit that hostkit wrote 1.5 or better", async () => {
      const { exitCode, stdout } = await project.tryOnHost(
        "systemd-analyze security --no-pager --threshold=15 spots-scraper.service",
      );
      expect(exitCode, stdout).toBe(0);
      expect(stdout).toMatch(/Overall exposure level for spots-scraper\.service/);
    });

    test("PostgreSQL is killed", async () => {
      await project.onHost(`kill -9 $(systemctl show -p MainPID --value ${postgres})`);
      await flowsAgain();
    });

    test("PostgreSQL is away, and meanwhile the scraper is killed", async () => {
      const pid = await property("MainPID");
      await onlyTheJournalKnows();
      await project.onHost("systemctl kill -s KILL spots-scraper.service");
      await until("systemd started the scraper afresh", async () => {
        const now = await property("MainPID");
        return now !== "0" && now !== pid && (await simulator.status()).logins >= 2;
      });
      await simulator.tell("rate", { rate });
      await goesOn(2 * rate);
      await project.onHost(`systemctl start --all ${postgres}`);
      await flowsAgain();
    });

    test("the connection is cut, and bytes come that are no text", async () => {
      await simulator.tell("garbage");
      await simulator.tell("drop");
      await flowsAgain();
    });

    test("PostgreSQL is away, and the host's power is cut", async () => {
      await onlyTheJournalKnows();
      await powerOffLabHost(project.host.name);
      await simulator.tell("rate", { rate });
      await goesOn(rate);
      await powerOnLabHost(project.host.name);
      await flowsAgain();
    });

    test("the feed stalls: the watchdog starts the scraper afresh", async () => {
      const before = Number(await property("NRestarts"));
      await simulator.tell("stall");
      await until(
        "the watchdog noticed",
        async () => Number(await property("NRestarts")) > before,
        120,
      );
      expect(
        await project.onHost("journalctl -b -u spots-scraper.service --no-pager -o cat"),
      ).toMatch(/Watchdog timeout/);
      await simulator.tell("resume");
      await flowsAgain();
    });

    test("sent = stored, none twice", async () => {
      await simulator.tell("rate", { rate: 0 });
      const sent = await announced();
      // Whether they come or not: the account tells which are missing.
      await until("the last spot is stored", async () => (await read()).numbers >= sent).catch(
        () => undefined,
      );
      const found = await read();
      expect(found).toEqual({
        stored: sent,
        numbers: sent,
        highest: sent,
        missing: [],
        counted: sent,
        spotted: sent,
      });
      process.stdout.write(
        `sent ${sent}, stored ${found.stored}, twice ${found.stored - found.numbers}\n`,
      );
    });
  },
);
