/** The spots the page holds: newest first, bounded, filtered. Pure. */
export interface Spot {
  readonly id: number;
  readonly timestamp: string;
  readonly dx_call: string;
  /** kHz, as text with three decimals. */
  readonly frequency: string;
  readonly spotter_call: string;
  readonly comment: string | null;
  readonly mode: string | null;
  readonly signal_report: string | null;
  readonly grid_square: string | null;
  readonly band: string | null;
}

export interface Filter {
  readonly band: string;
  readonly mode: string;
  readonly text: string;
  readonly people: boolean;
}

export const mostSpots = 1000;

/** Adds spots that are not there yet and keeps the newest. */
export function mergeSpots(held: readonly Spot[], arrived: readonly Spot[]): readonly Spot[] {
  const known = new Set(held.map((spot) => spot.id));
  const fresh = arrived.filter((spot) => !known.has(spot.id));
  if (fresh.length === 0) return held;
  return [...fresh, ...held].sort((a, b) => b.id - a.id).slice(0, mostSpots);
}

export function matches(spot: Spot, filter: Filter): boolean {
  if (filter.band !== "" && spot.band !== filter.band) return false;
  if (filter.mode !== "" && spot.mode !== filter.mode) return false;
  if (filter.people && spot.spotter_call.includes("#")) return false;
  const wanted = filter.text.trim().toUpperCase();
  return (
    wanted === "" ||
    [spot.dx_call, spot.spotter_call, spot.comment ?? ""].some((text) =>
      text.toUpperCase().includes(wanted),
    )
  );
}

export type Level = "green" | "yellow" | "red";

const voice = new Set(["SSB", "FM", "AM"]);

/** @param now epoch milliseconds */
export function bandLevel(spots: readonly Spot[], band: string, now: number): Level {
  const recent = spots.filter(
    (spot) => spot.band === band && now - Date.parse(spot.timestamp) <= 30 * 60_000,
  );
  if (recent.length === 0) return "red";
  return recent.filter((spot) => voice.has(spot.mode ?? "")).length >= 2 ? "green" : "yellow";
}
