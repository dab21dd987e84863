/** From spots to lines on the globe. Pure. */
import type { Spot } from "./spots.ts";

/** Degrees, east first, as GeoJSON has it. */
export type Position = readonly [longitude: number, latitude: number];

export interface Path {
  readonly spot: Spot;
  readonly from: Position;
  readonly to: Position;
  /** Kilometres along the great circle. */
  readonly distance: number;
  /** Degrees from north, from the spotter's end. */
  readonly bearing: number;
}

/**
 * The newest paths, one for each pair of stations and band, newest first.
 * @param since epoch milliseconds; older spots are left out
 */
export function makePaths(spots: readonly Spot[], since: number, most: number): readonly Path[] {
  const paths: Path[] = [];
  const seen = new Set<string>();
  for (const spot of spots) {
    if (paths.length >= most) break;
    if (Date.parse(spot.timestamp) < since) continue;
    const key = `${spot.spotter_call} ${spot.dx_call} ${spot.band}`;
    if (seen.has(key)) continue;
    const from = positionOf(spot.spotter_call, spot.spotter_lon, spot.spotter_lat, false);
    const to = positionOf(spot.dx_call, spot.dx_lon, spot.dx_lat, spot.grid_square !== null);
    if (from === null || to === null) continue;
    seen.add(key);
    paths.push({
      spot,
      from,
      to,
      distance: distanceBetween(from, to),
      bearing: bearingFrom(from, to),
    });
  }
  return paths;
}

/**
 * Without a grid square a callsign stands for its whole country, and all its stations for one point: each is moved a
 * little, always the same way, so that they can be told apart.
 */
function positionOf(
  call: string,
  longitude: number | null,
  latitude: number | null,
  exact: boolean,
): Position | null {
  if (longitude === null || latitude === null) return null;
  if (exact) return [longitude, latitude];
  const hash = hashOf(call);
  const angle = ((hash & 0xffff) / 0x10000) * 2 * Math.PI;
  const length = Math.sqrt((hash >>> 16) / 0x10000) * 1.8;
  return [
    longitude + Math.cos(angle) * length,
    Math.max(-89, Math.min(89, latitude + Math.sin(angle) * length * 0.7)),
  ];
}

/** FNV-1a */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** The haversine of a sphere of the Earth's mean radius. */
export function distanceBetween(from: Position, to: Position): number {
  const [a, b] = [radians(from[1]), radians(to[1])];
  const half =
    Math.sin((b - a) / 2) ** 2 +
    Math.cos(a) * Math.cos(b) * Math.sin(radians(to[0] - from[0]) / 2) ** 2;
  return 2 * 6371 * Math.asin(Math.min(1, Math.sqrt(half)));
}

export function bearingFrom(from: Position, to: Position): number {
  const [a, b] = [radians(from[1]), radians(to[1])];
  const turn = radians(to[0] - from[0]);
  const angle = Math.atan2(
    Math.sin(turn) * Math.cos(b),
    Math.cos(a) * Math.sin(b) - Math.sin(a) * Math.cos(b) * Math.cos(turn),
  );
  return (Math.round((angle * 180) / Math.PI) + 360) % 360;
}

/**
 * Where the sun is in the zenith, good to about half a degree: mean orbit and the equation of time to first order
 * (the low-precision formulae of the Astronomical Almanac).
 * @param time epoch milliseconds
 */
export function subsolarPoint(time: number): Position {
  const days = time / 86_400_000 - 10_957.5; // since noon of 1 January 2000
  const meanLongitude = 280.46 + 0.9856474 * days;
  const anomaly = radians(357.528 + 0.9856003 * days);
  const longitude = radians(
    meanLongitude + 1.915 * Math.sin(anomaly) + 0.02 * Math.sin(2 * anomaly),
  );
  const tilt = radians(23.439);
  const declination = Math.asin(Math.sin(tilt) * Math.sin(longitude));
  const ascension = Math.atan2(Math.cos(tilt) * Math.sin(longitude), Math.cos(longitude));
  const sidereal = 280.46062 + 360.98564737 * days;
  const east = (ascension * 180) / Math.PI - sidereal;
  return [((((east + 180) % 360) + 360) % 360) - 180, (declination * 180) / Math.PI];
}
