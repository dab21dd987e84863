import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, type DxApi, makeDxApi, openStream } from "../harness/dx-api.ts";
import { until } from "../harness/lab-project.ts";
import { describeMonths } from "./dxcluster-months.ts";

interface Page {
  readonly spots: readonly { readonly id: number; readonly dx_call: string }[];
  readonly pagination: {
    readonly total: number;
    readonly total_is_minimum: boolean;
    readonly has_more: boolean;
    readonly next_cursor: string | null;
  };
}

/** Three months of spots, every kind of thing in them: calls, bands, modes, comments with and without this and that. */
const someSpots = `
insert into dx_spots (timestamp, received_at, dx_call, frequency, spotter_call, comment, mode, grid_square, spotter_grid, band)
select date_trunc('minute', now() - i * interval '5 minutes'), now(),
  (array['DL1ABC','VE9CF','W1AW/4','VP8LP','JA1XYZ','F/DL2XYZ','KH6ZZ'])[1 + i % 7], 14000 + (i % 350) + case when i % 3 = 0 then 7000 else 0 end,
  (array['OH0M-44','W3LPL-#','DL9ZZ'])[1 + i % 3],
  (array['CQ', '100% up_2', 'POTA US-1234', null, 'tnx \\ QSO'])[1 + i % 5],
  (array['CW','SSB','FT8','FT4',null])[1 + i % 5], case when i % 4 = 0 then 'JO50' when i % 9 = 0 then 'FN31pr' end,
  case when i % 6 = 0 then 'JN58' end, case when i % 3 = 0 then '15m' else '20m' end
from generate_series(1, 24000) i on conflict do nothing;
insert into callsigns (callsign, first_seen, last_seen, total_spots, total_spotted)
select dx_call, now(), now(), 0, count(*) from dx_spots group by 1 union all select spotter_call, now(), now(), count(*), 0 from dx_spots group by 1;
insert into band_stations select band, dx_call, count(*), min(frequency), max(frequency), max(timestamp) from dx_spots group by 1, 2;
insert into wwv_announcements (timestamp, received_at, announcement_type, station_call, raw_text, solar_flux, a_index, k_index, parsed_successfully)
values (date_trunc('hour', now()), now(), 'WWV', 'AE5E', 'SFI=150', 150, 8, 2, true);
analyze;`;

/** `?` and the SQL that must find the same spots. */
const searches: readonly (readonly [query: string, where: string])[] = [
  ["", "true"],
  ["band=20m", "band = '20m'"],
  ["band=20M&mode=cw", "band = '20m' and mode ilike '%cw%'"],
  ["mode=ft", "mode ilike '%ft%'"],
  ["mode=ft&spotter_call=W3", "mode ilike '%ft%' and spotter_call ilike '%w3%'"],
  ["mode=nothing", "false"],
  ["dx_call=dl1", "dx_call ilike '%dl1%'"],
  ["dx_call=dl", "dx_call ilike '%dl%'"],
  ["dx_call=%25", "dx_call like '%\\%%'"],
  ["spotter_call=%23", "spotter_call like '%#%'"],
  ["spotter_call=0m-44&dx_call=vp8", "spotter_call ilike '%0m-44%' and dx_call ilike '%vp8%'"],
  ["frequency_min=14100&frequency_max=14100.5", "frequency between 14100 and 14100.5"],
  ["grid_square=jo", "grid_square ilike '%jo%'"],
  ["grid_square=fn31", "grid_square ilike '%fn31%'"],
  ["comment_contains=100%25%20up_", "comment ilike '%100\\% up\\_%'"],
  ["comment_contains=us-1234", "comment ilike '%us-1234%'"],
  ["comment_contains=up_2&order_by=timestamp%20desc", "comment ilike '%up\\_2%'"],
  ["comment_contains=nothing+like+it", "false"],
  ["comment_contains=%5C", "comment like '%\\\\%'"],
  [
    "comment_contains=pota&band=15m&mode=ft8",
    "comment ilike '%pota%' and band = '15m' and mode = 'FT8'",
  ],
];

describe("the DX Cluster API on Debian 13", () => {
  let api: DxApi;
  const insert = (call: string, many = 1): Promise<readonly string[]> =>
    api.sql(`insert into dx_spots (timestamp, received_at, dx_call, frequency, spotter_call, mode, band)
      select date_trunc('minute', now()), clock_timestamp(), '${call}', 14025 + i * 0.001, 'DL9ZZ', 'CW', '20m' from generate_series(1, ${many}) i returning id`);

  beforeAll(async () => {
    api = await makeDxApi(`api-${process.pid}`);
    await api.sql(someSpots);
  });
  afterAll(() => api?.down());

  test("every answer is what the API says of itself", async () => {
    interface Description {
      readonly paths: Readonly<
        Record<
          string,
          { get: { responses: { 200: { content: Record<string, { schema: object }> } } } }
        >
      >;
      readonly components: object;
    }
    const description = await api.json<Description>("/api/openapi.json");
    const ajv = new Ajv2020({ allowUnionTypes: true, validateFormats: false });
    ajv.addVocabulary(["components"]);
    let checked = 0;
    for (const [where, { get }] of Object.entries(description.paths)) {
      const schema = get.responses[200].content["application/json"]?.schema;
      if (schema === undefined || where.endsWith("openapi.json")) continue;
      const holds = ajv.compile({ ...schema, components: description.components });
      const body = await api.json<object>(where);
      expect(holds(body), `${where}: ${ajv.errorsText(holds.errors)}`).toBe(true);
      checked += 1;
    }
    expect(checked).toBeGreaterThanOrEqual(12);
  });

  test("each search finds what SQL finds, newest first, and counts it", async () => {
    for (const [query, where] of searches) {
      const page = await api.json<Page>(`/api/spots?limit=1000&${query}`);
      const ids = await api.sql(
        `select id from dx_spots where ${where} order by timestamp desc, id desc limit 1000`,
      );
      const [count] = await api.sql(`select count(*) from dx_spots where ${where}`);
      expect(
        page.spots.map((spot) => String(spot.id)),
        query,
      ).toEqual(ids);
      expect(page.pagination.total, query).toBe(Math.min(Number(count), 10_000));
      expect(page.pagination.total_is_minimum, query).toBe(Number(count) > 10_000);
      expect(page.pagination.has_more, query).toBe(Number(count) > 1000);
    }
  });

  test.each([
    ["", "timestamp desc, id desc"],
    ["&order_by=timestamp", "timestamp asc, id asc"],
    ["&order_by=frequency%20desc&band=20m", "frequency desc, timestamp desc, id desc"],
    ["&order_by=dx_call", 'dx_call collate "C", timestamp desc, id desc'],
    ["&order_by=spotter_call%20DESC", 'spotter_call collate "C" desc, timestamp desc, id desc'],
  ])(
    "pages by cursor show every spot once, also when new ones come meanwhile: %s",
    async (query, order) => {
      const where = query.includes("band") ? "where band = '20m'" : "";
      const ids = await api.sql(`select id from dx_spots ${where} order by ${order}`);
      const seen: string[] = [];
      let cursor = "";
      do {
        const page: Page = await api.json(`/api/spots?limit=999${query}${cursor}`);
        seen.push(...page.spots.map((spot) => String(spot.id)));
        cursor =
          page.pagination.next_cursor === null ? "" : `&cursor=${page.pagination.next_cursor}`;
        if (order.startsWith("timestamp desc")) await insert(`NEW${seen.length}`);
      } while (cursor !== "");
      expect(seen).toEqual(ids);
      await api.sql("delete from dx_spots where dx_call like 'NEW%'");
    },
  );

  test.each(searches)("an offset skips as many as it says: %s", async (query, where) => {
    for (const offset of [30, 990, 11_000]) {
      const ids = await api.sql(
        `select id from dx_spots where ${where} order by timestamp desc, id desc offset ${offset} limit 20`,
      );
      const page = await api.json<Page>(`/api/spots?limit=20&offset=${offset}&${query}`);
      expect(page.spots.map((spot) => String(spot.id))).toEqual(ids);
    }
  });

  test.each([
    "/api/spots?foo=1",
    "/api/spots?limit=many",
    "/api/spots?limit=0",
    "/api/spots?since=yesterday",
    "/api/spots?order_by=id",
    "/api/spots?cursor=AAAA",
    "/api/spots?band=20m&band=40m",
    "/api/spots/recent?hours=-1",
    "/api/spots?offset=1000001",
    "/api/spots/recent?band=20m",
    "/api/bands?hours=1.5",
    "/api/frequency/histogram?bins=0",
    "/api/activity/hourly?day=1",
    "/api/solar?limit=3",
    "/api/stats?x=1",
    "/api?x=1",
    "/api/health?x=1",
    "/api/openapi.json?x=1",
    "/api/callsigns/top?category=all",
    "/api/spots/stream?band=20m",
  ])("%s is refused in JSON", async (where) => {
    const answer = await api.get(where);
    expect(answer.status, answer.text).toBe(400);
    expect(JSON.parse(answer.text)).toEqual({ error: "Bad request", message: expect.any(String) });
  });

  test("CSV has the same spots, and says where the next page is", async () => {
    const answer = await api.get("/api/spots?format=csv&limit=10&band=20m");
    expect(answer.headers["content-type"]).toBe("text/csv; charset=utf-8");
    const page = await api.json<Page>("/api/spots?limit=10&band=20m");
    const [head, ...lines] = answer.text.trim().split("\r\n");
    expect(head?.split(",").slice(0, 3)).toEqual(["timestamp", "frequency", "dx_call"]);
    expect(lines.map((line) => line.split(",")[2])).toEqual(page.spots.map((spot) => spot.dx_call));
    const next = /^<(.*)>; rel="next"$/.exec(String(answer.headers["link"]))?.[1] ?? "";
    expect((await api.get(next)).text.split("\r\n").length).toBe(12);
  });

  test("whoever has the answer already gets none, until there is another", async () => {
    const first = await api.get("/api/spots?limit=5");
    const etag = String(first.headers["etag"]);
    const second = await api.get("/api/spots?limit=5", { "if-none-match": etag });
    expect([second.status, second.text]).toEqual([304, ""]);
    await insert("ETAG1");
    const third = await api.get("/api/spots?limit=5", { "if-none-match": etag });
    expect(third.status).toBe(200);
    expect(third.text).toContain("ETAG1");
    expect(first.headers["access-control-allow-origin"]).toBe("*");
  });

  test("a spot knows where both ends are: by its grid square, else by its prefix", async () => {
    await api.sql(`insert into dx_spots (timestamp, received_at, dx_call, frequency, spotter_call, grid_square, band)
      values (now(), now(), 'VP8STI', 14001, 'DL1ABC/MM', null, '20m'), (now(), now(), 'KG4AA', 14002, 'JA1XYZ', 'FK29', '20m')`);
    const { spots } = await api.json<Page>("/api/spots?limit=2");
    expect(spots.find((spot) => spot.dx_call === "VP8STI")).toMatchObject({
      dx_country: "Falkland Islands",
      dx_continent: "SA",
      dx_lat: -51.7,
      spotter_country: null,
      spotter_lat: null,
    });
    expect(spots.find((spot) => spot.dx_call === "KG4AA")).toMatchObject({
      dx_country: "Guantanamo Bay",
      dx_lat: 19.5,
      dx_lon: -75,
      spotter_country: "Japan",
    });
    const { count } = await api.json<{ count: number }>("/api/prefixes");
    expect(count).toBeGreaterThan(3000);
  });

  test.each([
    ["dx_reader", "select from raw_spots", "permission denied for table raw_spots"],
    ["dx_reader", "insert into prefixes values ('ZZ', 'x', 'EU', 0, 0)", "permission denied for"],
    ["dx_reader", "select ensure_spot_partitions()", "only a role that writes spots may make"],
    ["dx_reader", "select drop_old_spots(1)", "only a role that writes spots may drop"],
    ["dx_scraper", "delete from dx_spots", "permission denied for table dx_spots"],
    ["dx_scraper", "update dx_spots set comment = ''", "permission denied for table dx_spots"],
    ["dx_scraper", "update raw_spots set raw_text = ''", "permission denied for table raw_spots"],
    ["dx_scraper", "truncate callsigns", "permission denied for table callsigns"],
  ])("%s may not: %s", async (role, statement, refusal) => {
    await expect(api.sql(`${statement};`, role)).rejects.toThrow(refusal);
  });

  test("limits go by the visitor that the proxy names, and nobody else may name one", async () => {
    await api.start("dx-limited", "PORT=8081 RATE_LIMIT=5 STREAMS_PER_CLIENT=2");
    const base = `http://${api.host.address}:8081`;
    // This machine is the gateway of the lab host: the place that a proxy has.
    const status = async (visitor: string): Promise<number> =>
      (await ask(`${base}/api`, { "x-forwarded-for": visitor })).status;
    const asked: number[] = [];
    for (let turn = 0; turn < 6; turn += 1) asked.push(await status("198.51.100.1"));
    expect(asked).toEqual([200, 200, 200, 200, 200, 429]);
    expect(await status("198.51.100.2")).toBe(200);
    const refused = await ask(`${base}/api`, { "x-forwarded-for": "198.51.100.1" });
    expect(JSON.parse(refused.text)).toMatchObject({ error: "Too many requests" });
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    expect((await ask(`${base}/api/health`, { "x-forwarded-for": "198.51.100.1" })).status).toBe(
      200,
    );
    // The lab host's own address is no proxy: whatever name it gives, it is one visitor.
    const inside = await api.run(
      `node -e 'const go = async () => { for (let i = 0; i < 7; i++) console.log((await fetch("${base}/api", { headers: { "x-forwarded-for": "203.0.113." + i } })).status); }; go();'`,
    );
    expect(inside.trim().split("\n")).toEqual(["200", "200", "200", "200", "200", "429", "429"]);
    const streams = await Promise.all(
      [1, 2].map(() => openStream(base, { "x-forwarded-for": "192.0.2.1" })),
    );
    const third = await openStream(base, { "x-forwarded-for": "192.0.2.1" });
    expect([...streams, third].map((stream) => stream.status)).toEqual([200, 200, 429]);
    for (const stream of [...streams, third]) stream.close();
  });

  test("metrics are for the host, not for visitors", async () => {
    const metrics = await api.get("/metrics");
    expect(metrics.text).toMatch(
      /^dx_api_request_seconds_count\{route="\/api\/spots",status="200"\} [1-9]/m,
    );
    expect(metrics.text).toMatch(/^dx_api_live 1$/m);
    expect((await api.get("/metrics", { "x-forwarded-for": "198.51.100.1" })).status).toBe(404);
    expect((await api.get("/ready")).status).toBe(200);
  });

  test("a listener who comes back gets what it missed, once and in order, and then what comes", async () => {
    const first = await openStream(api.base, {});
    await insert("HEARD");
    await until("the first spot is heard", async () => first.events.length === 1, 10);
    const last = first.events[0]?.id ?? 0;
    first.close();
    const missed = (await insert("MISSED", 1200)).map(Number);
    const second = await openStream(api.base, { "last-event-id": String(last) });
    // While it still gets what it missed.
    const fresh = [...(await insert("FRESH", 300)), ...(await insert("FRESHER", 300))].map(Number);
    const wanted = [...missed, ...fresh];
    await until("all is heard", async () => second.events.length >= wanted.length, 20);
    expect(second.events.map((event) => event.id)).toEqual(wanted);
    second.close();
  });

  test("the stream survives a restart of PostgreSQL; meanwhile the API says so", async () => {
    const stream = await openStream(api.base, {});
    await api.stopDatabase();
    await until("the API is unwell", async () => (await api.get("/api/health")).status === 503, 20);
    const away = await api.get("/api/spots?limit=3");
    expect([away.status, JSON.parse(away.text)]).toEqual([
      503,
      { error: "Service unavailable", message: "The database does not answer" },
    ]);
    expect((await api.get("/ready")).status).toBe(200);
    await api.startDatabase();
    await until("the API is well", async () => (await api.get("/api/health")).status === 200, 30);
    const [id] = await insert("AFTER");
    await until(
      "the spot is heard",
      async () => stream.events.some((event) => event.id === Number(id)),
      20,
    );
    expect(stream.isOpen).toBe(true);
    stream.close();
  });

  test("dropping a month gives up while somebody reads, instead of making everybody wait behind it", async () => {
    await api.sql(
      "create table spots_by_month.dx_spots_2001_01 partition of dx_spots for values from ('2001-01-01Z') to ('2001-02-01Z')",
    );
    await api.run(
      "systemd-run -q --unit=long-reader --uid=postgres psql -Xq -d dxcluster -c 'begin; lock table dx_spots in access share mode; select pg_sleep(300)'",
    );
    const sleeper = "from pg_stat_activity where wait_event = 'PgSleep'";
    await until("it reads", async () => (await api.sql(`select count(*) ${sleeper}`))[0] === "1");
    const drop = "select drop_old_spots(240)";
    await expect(api.sql(drop, "dx_scraper")).rejects.toThrow(/lock timeout/);
    await api.sql(`select pg_terminate_backend(pid) ${sleeper}`);
    await until("it is gone", async () => (await api.sql(`select count(*) ${sleeper}`))[0] === "0");
    expect(await api.sql(drop, "dx_scraper")).toEqual(["1"]);
  });

  describeMonths(() => api);
});
