import { bandOf, plannedMode } from "../../templates/stacks/dxcluster/radio/bands.ts";
import {
  gridsInComment,
  modeInComment,
  reportInComment,
} from "../../templates/stacks/dxcluster/radio/comment.ts";
import { type MadeSpot, Traffic } from "../../templates/stacks/dxcluster/simulator/src/traffic.ts";

const minute = 60_000;
const day = 1440;

/** How open each band is at a time of day, from 0 to 1: the low ones by night, the high ones by day, as seen from Europe. */
function openness(band: string, minuteOfDay: number): number {
  const light = (1 + Math.cos(((minuteOfDay - 690) / day) * 2 * Math.PI)) / 2;
  const night = 1 - light;
  const byBand: Readonly<Record<string, number>> = {
    "160m": night ** 3,
    "80m": night ** 1.5,
    "40m": 0.25 + 0.75 * night,
    "30m": 0.4 + 0.4 * night,
    "20m": 0.25 + 0.75 * light,
    "17m": light,
    "15m": light ** 1.4,
    "12m": light ** 2,
    "10m": light ** 2,
    "6m": light ** 4 * 0.6,
  };
  return byBand[band] ?? 0;
}

function toRow(time: number, { spotter, frequency, dx, comment }: MadeSpot) {
  return {
    heard: new Date(time).toISOString(),
    dx_call: dx,
    frequency,
    spotter_call: spotter,
    comment,
    mode: modeInComment(comment) ?? plannedMode(frequency),
    signal_report: reportInComment(comment),
    grid_square: gridsInComment(comment).dx,
    band: bandOf(frequency),
  };
}

/**
 * The simulator's traffic of the day before a moment, as SQL for the stack's database; and, twenty hours before it, the one
 * spot of VP6OLD.
 * @param now epoch milliseconds
 */
export function makeDay(now: number): string {
  const traffic = new Traffic(7);
  const end = Math.floor(now / minute) * minute;
  const rows = [];
  for (let ago = day - 1; ago >= 0; ago -= 1) {
    const time = end - ago * minute;
    for (let turn = 0; turn < 9; turn += 1) {
      const spot = traffic.spot();
      const open = openness(bandOf(spot.frequency) ?? "", Math.floor(time / minute) % day);
      // One of nine is left, whatever the hour: somebody always tries.
      if ((turn + 1) / 10 <= open || turn === 0) rows.push(toRow(time, spot));
    }
    if (ago === 1200)
      rows.push(
        toRow(time, { spotter: "DL1ABC", frequency: 14023, dx: "VP6OLD", comment: "CW finally" }),
      );
  }
  return `
insert into dx_spots (timestamp, received_at, dx_call, frequency, spotter_call, comment, mode, signal_report, grid_square, band, skimmer)
select heard, heard, dx_call, frequency, spotter_call, comment, mode, signal_report, grid_square, band, spotter_call like '%#'
from json_to_recordset($json$${JSON.stringify(rows)}$json$) as r(heard timestamptz, dx_call text, frequency numeric,
  spotter_call text, comment text, mode text, signal_report text, grid_square text, band text)
order by heard on conflict do nothing;
insert into band_stations (band, dx_call, spot_count, min_freq, max_freq, latest_spot)
select coalesce(band, ''), dx_call, count(*), min(frequency), max(frequency), max(timestamp) from dx_spots group by 1, 2
on conflict (band, dx_call) do update set spot_count = excluded.spot_count;
insert into callsigns (callsign, first_seen, last_seen, total_spotted)
select dx_call, min(timestamp), max(timestamp), count(*) from dx_spots group by 1 on conflict do nothing;
insert into wwv_announcements
  (timestamp, received_at, announcement_type, station_call, raw_text, solar_flux, a_index, k_index, conditions, parsed_successfully)
select date_trunc('hour', now()) - make_interval(hours => 3 * step), now(), 'WWV', 'W0WWV', '', 165, 9,
  (array[2,2,3,3,4,5,3,2,1,1,2,3,4,6,4,3,2,2,1,0,1,2,3,2])[step], 'No Storms -> Minor w/G1', true
from generate_series(1, 24) step on conflict do nothing;
`;
}
