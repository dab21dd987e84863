import { beforeAll, describe, expect, test } from "vitest";
import type { DxApi } from "../harness/dx-api.ts";
import { until } from "../harness/lab-project.ts";

const day = 86_400_000;
const month = (date: Date): string => date.toISOString().slice(0, 7).replace("-", "_");
const firstOf = (date: Date, months: number): Date =>
  new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1));

/** PostgreSQL lives through months in seconds: a preloaded library tells it the time. Leaves it in another year. */
export function describeMonths(getApi: () => DxApi): void {
  describe("as the months go by", () => {
    const today = new Date();
    const monthsEnd = firstOf(today, 1);

    /** What time PostgreSQL thinks it is from now on; it goes on from there. */
    const setClock = async (time: Date): Promise<void> => {
      const seconds = Math.round((time.getTime() - Date.now()) / 1000);
      await getApi().run(`echo '+${seconds}' >/etc/time-of-postgresql`);
      await until("PostgreSQL has that time", async () => {
        const [now] = await getApi().sql("select extract(epoch from clock_timestamp())");
        return Math.abs(Number(now) - Date.now() / 1000 - seconds) < 60;
      });
    };
    /** A spot as the scraper stores it, stamped with this time or with PostgreSQL's. */
    const spot = async (call: string, time = "clock_timestamp()"): Promise<void> => {
      await getApi().sql(
        `insert into raw_spots (timestamp, node, kind, raw_text) values (${time}, '${call}', 'spot', '');
        insert into dx_spots (timestamp, received_at, dx_call, frequency, spotter_call) values (${time}, ${time}, '${call}', 14001, 'DL9ZZ')`,
        "dx_scraper",
      );
    };
    /** The partitions that hold the spots and lines with a callsign like this. */
    const placesOf = (call: string): Promise<readonly string[]> =>
      getApi()
        .sql(`select tableoid::regclass::text as place from dx_spots where dx_call like '${call}'
        union select tableoid::regclass::text from raw_spots where node like '${call}' order by place`);
    const countOf = async (call: string): Promise<number> =>
      Number((await getApi().sql(`select count(*) from dx_spots where dx_call like '${call}'`))[0]);
    const both = (name: string): readonly string[] => [
      `spots_by_month.dx_spots_${name}`,
      `spots_by_month.raw_spots_${name}`,
    ];
    const shown = async (query: string): Promise<readonly string[]> => {
      const page = await getApi().json<{ spots: readonly { dx_call: string }[] }>(
        `/api/spots?${query}`,
      );
      return page.spots.map(({ dx_call }) => dx_call);
    };

    beforeAll(async () => {
      await getApi().stopDatabase();
      await getApi().run(`echo +0 >/etc/time-of-postgresql
        cat >>/etc/postgresql/17/main/environment <<END
LD_PRELOAD = '$(ls /usr/lib/*/faketime/libfaketime.so.1)'
FAKETIME_TIMESTAMP_FILE = '/etc/time-of-postgresql'
FAKETIME_NO_CACHE = '1'
FAKETIME_DONT_FAKE_MONOTONIC = '1'
END`);
      await getApi().startDatabase();
      await until("PostgreSQL answers", async () => (await getApi().sql("select 1"))[0] === "1");
    });

    test("a month ends while spots come: each is in its month, none is lost or astray", async () => {
      await getApi().sql("select ensure_spot_partitions()", "dx_scraper");
      await setClock(new Date(monthsEnd.getTime() - 4000));
      let sent = 0;
      await until("the month is over", async () => {
        await spot(`END${(sent += 1)}`);
        const [late] = await getApi().sql(
          `select count(*) from dx_spots where dx_call like 'END%' and timestamp >= '${monthsEnd.toISOString()}'`,
        );
        return Number(late) >= 3;
      });
      expect(await countOf("END%")).toBe(sent);
      const before = new Date(monthsEnd.getTime() - day);
      expect(await placesOf("END%")).toEqual(
        [both(month(before)), both(month(monthsEnd))].flat().sort(),
      );
      expect(await countOf("END1")).toBe(1);
    });

    test("a month that nobody made in time takes its spots back when it is made", async () => {
      const later = new Date(firstOf(today, 6).getTime() + 10 * day);
      await setClock(later);
      await spot("ASTRAY");
      expect(await placesOf("ASTRAY")).toEqual(both("other"));
      expect(await shown(`since=${new Date(later.getTime() - day).toISOString()}`)).toEqual([
        "ASTRAY",
      ]);
      await getApi().sql("select ensure_spot_partitions()", "dx_scraper");
      expect(await placesOf("ASTRAY")).toEqual(both(month(later)));
      expect(await shown(`since=${new Date(later.getTime() - day).toISOString()}`)).toEqual([
        "ASTRAY",
      ]);
      await spot("INTIME", "clock_timestamp() + interval '2 months'");
      expect(await placesOf("INTIME")).toEqual(both(month(firstOf(later, 2))));
    });

    test("a spot with a time that no month has is kept and found", async () => {
      await spot("LONGAGO", "'1999-12-31 23:59Z'");
      await spot("FARAHEAD", "'2101-01-01Z'");
      await getApi().sql("select ensure_spot_partitions()", "dx_scraper");
      expect(await placesOf("LONGAGO")).toEqual(both("other"));
      expect(await placesOf("FARAHEAD")).toEqual(both("other"));
      expect(await shown("until=2000-01-01")).toEqual(["LONGAGO"]);
      expect(await shown("since=2100-01-01")).toEqual(["FARAHEAD"]);
    });

    test("months past their time go, whole, and only by the hand of one that writes spots", async () => {
      const count = "select count(*) from dx_spots";
      const all = Number((await getApi().sql(count))[0]);
      for (const role of ["dx_reader", "dx_owner"])
        await expect(getApi().sql("select drop_old_spots(0)", role)).rejects.toThrow(
          role === "dx_reader" ? /only a role that writes/ : /at least one month/,
        );
      expect(await getApi().sql(count)).toEqual([String(all)]);
      // Seven months ago is the last one kept: what the month before today's held is gone, today's is not.
      await getApi().sql("select drop_old_spots(6)", "dx_scraper");
      const kept = firstOf(today, 0).toISOString();
      expect(await getApi().sql(`${count} where timestamp < '${kept}'`)).toEqual(["0"]);
      expect(
        await getApi().sql(`select to_regclass('${both(month(firstOf(today, -1)))[0]}') is null`),
      ).toEqual(["t"]);
      expect(await countOf("END1")).toBe(1);
      expect(await countOf("LONGAGO")).toBe(0);
      expect(await countOf("FARAHEAD")).toBe(1);
      await getApi().sql("select drop_old_spots(5)", "dx_scraper");
      expect(await countOf("END1")).toBe(0);
      expect(await countOf("ASTRAY")).toBe(1);
    });

    test("a reader cannot write by hanging the table's own triggers on a table of its own", async () => {
      const hang =
        "create temp table own (grid_square text); create trigger own after insert on own referencing new table as fresh for each statement execute function count_grid_squares()";
      await expect(getApi().sql(hang, "dx_reader")).rejects.toThrow(
        /permission denied for function/,
      );
    });
  });
}
