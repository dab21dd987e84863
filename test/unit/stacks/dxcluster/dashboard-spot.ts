import type { Spot } from "../../../../templates/stacks/dxcluster/dashboard/page/spots.ts";

export const now = Date.UTC(2026, 10, 21, 12, 0);

/** A spot as the API sends it, of a station whose place is unknown. */
export function makeSpot(id: number, more: Partial<Spot> = {}): Spot {
  return {
    id,
    timestamp: new Date(now).toISOString(),
    dx_call: "JA1XYZ",
    frequency: "14025.000",
    spotter_call: "DL1ABC",
    comment: "CW",
    mode: "CW",
    signal_report: null,
    grid_square: null,
    band: "20m",
    dx_country: null,
    spotter_country: null,
    dx_lat: null,
    dx_lon: null,
    spotter_lat: null,
    spotter_lon: null,
    ...more,
  };
}
