/** PostgreSQL: one statement a batch. libpq's variables (PGHOST, PGDATABASE, PGUSER, …) say where. */
import pg from "pg";
import type { Row } from "./rows.ts";

export interface Stored {
  readonly lines: number;
  readonly spots: number;
  readonly solar: number;
  /** Of the spots: how many a node told of afterwards, when nobody had been listening. */
  readonly recovered: number;
}

/** retry: the database is away or not ready; row: this batch holds something it refuses. */
export type Trouble = "retry" | "row";

/** SQLSTATE classes 22 (data) and 23 (constraint) blame the rows; everything else passes by waiting. */
export function troubleOf(error: unknown): Trouble {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" && /^2[23][0-9A-Z]{3}$/.test(code) ? "row" : "retry";
}

// raw_spots decides what is new: a line from the journal that comes again meets its own (timestamp, node) there and
// goes no further. What a node tells of the past (`replayed`) is new only when that spot is not there yet.
const insertRows = `
with incoming as (
  select * from json_to_recordset($1::json) as r(
    received timestamptz, node text, kind text, raw_text text, heard timestamptz,
    dx_call text, frequency numeric, spotter_call text, comment text, mode text, signal_report text,
    grid_square text, spotter_grid text, band text, split text, skimmer boolean, replayed boolean,
    station text, solar_flux integer, a_index integer, k_index integer, sunspot_number integer, conditions text)
), raw as (
  insert into raw_spots (timestamp, node, kind, raw_text)
  select received, node, kind, raw_text from incoming
  where replayed is not true or not exists (
    select from dx_spots as known
    where known.timestamp = heard and known.dx_call = incoming.dx_call
      and known.spotter_call = incoming.spotter_call and known.frequency = incoming.frequency)
  order by received
  on conflict do nothing
  returning id, timestamp, node
), fresh as (
  select incoming.*, raw.id as raw_id
  from incoming join raw on raw.timestamp = incoming.received and raw.node = incoming.node
), spots as (
  insert into dx_spots (raw_spot_id, timestamp, received_at, dx_call, frequency, spotter_call, comment, mode,
                        signal_report, grid_square, spotter_grid, band, split, skimmer)
  select raw_id, heard, received, dx_call, frequency, spotter_call, comment, mode,
         signal_report, grid_square, spotter_grid, band, split, skimmer
  from fresh where kind = 'spot' order by received
  on conflict do nothing
  returning raw_spot_id, dx_call, spotter_call, received_at, band, frequency, timestamp
), solar as (
  insert into wwv_announcements (raw_announcement_id, timestamp, received_at, announcement_type, station_call, raw_text,
                                 solar_flux, a_index, k_index, sunspot_number, conditions, parsed_successfully)
  select raw_id, heard, received, upper(kind), station, raw_text, solar_flux, a_index, k_index, sunspot_number,
         conditions, coalesce(solar_flux, a_index, k_index, sunspot_number) is not null
  from fresh where kind in ('wwv', 'wcy') order by received
  on conflict do nothing
  returning 1
), stations as (
  insert into band_stations as b (band, dx_call, spot_count, min_freq, max_freq, latest_spot)
  select coalesce(band, ''), dx_call, count(*), min(frequency), max(frequency), max(timestamp)
  from spots group by 1, 2 order by 1, 2
  on conflict (band, dx_call) do update set
    spot_count = b.spot_count + excluded.spot_count,
    min_freq = least(b.min_freq, excluded.min_freq),
    max_freq = greatest(b.max_freq, excluded.max_freq),
    latest_spot = greatest(b.latest_spot, excluded.latest_spot)
), seen as (
  insert into callsigns as c (callsign, first_seen, last_seen, total_spots, total_spotted)
  select callsign, min(received_at), max(received_at), sum(sent), sum(spotted)
  from (select spotter_call as callsign, received_at, 1 as sent, 0 as spotted from spots
        union all
        select dx_call, received_at, 0, 1 from spots) as both_ends
  group by callsign order by callsign
  on conflict (callsign) do update set
    last_seen = greatest(c.last_seen, excluded.last_seen),
    total_spots = c.total_spots + excluded.total_spots,
    total_spotted = c.total_spotted + excluded.total_spotted
)
select (select count(*) from raw)::int as lines, (select count(*) from spots)::int as spots,
       (select count(*) from solar)::int as solar,
       (select count(*) from spots
        where raw_spot_id = any (array(select raw_id from fresh where replayed)))::int as recovered`;

export class Database {
  readonly #keepMonths: number;
  #client: pg.Client | null = null;
  #maintainAt = 0;

  constructor(keepMonths: number) {
    this.#keepMonths = keepMonths;
  }

  /** Stores all rows or none. Rejects with what PostgreSQL or the socket said; the next call connects anew. */
  async store(rows: readonly Row[]): Promise<Stored> {
    const client = await this.#connected();
    try {
      const result = await client.query<Stored>({
        name: "insert-rows",
        text: insertRows,
        values: [JSON.stringify(rows)],
      });
      const stored = result.rows[0];
      if (stored === undefined) throw new Error("the database answered without a row");
      return stored;
    } catch (error) {
      if (troubleOf(error) === "retry") await this.close();
      throw error;
    }
  }

  /** Makes the coming months' partitions and drops those past their time: once an hour, after a failure in a minute. */
  async maintain(now: number): Promise<void> {
    if (now < this.#maintainAt) return;
    this.#maintainAt = now + 60_000;
    const client = await this.#connected();
    await client.query("select ensure_spot_partitions()");
    if (this.#keepMonths > 0) await client.query("select drop_old_spots($1)", [this.#keepMonths]);
    this.#maintainAt = now + 3_600_000;
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => undefined);
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client;
    const client = new pg.Client({
      application_name: "dx-scraper",
      connectionTimeoutMillis: 5000,
      query_timeout: 30_000,
      keepAlive: true,
    });
    // A connection that breaks while idle must not end the process; the next query notices.
    client.on("error", () => {
      if (this.#client === client) this.#client = null;
    });
    await client.connect();
    this.#client = client;
    return client;
  }
}
