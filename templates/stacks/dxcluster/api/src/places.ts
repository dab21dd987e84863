/** Where a callsign is: the longest known prefix says its country; a grid square says it better. Pure. */
export interface PrefixRow {
  readonly prefix: string;
  readonly country: string;
  readonly continent: string;
  /** Degrees, north positive. */
  readonly latitude: number;
  /** Degrees, east positive. */
  readonly longitude: number;
}

export interface Place {
  readonly country: string;
  readonly continent: string;
  readonly latitude: number;
  readonly longitude: number;
}

/** What stands behind a call and says nothing of where it is. */
const ignored = /^(?:P|M|A|B|LH|J|R|QRP|QRPP|LGT|N|T|JOTA|\d\d+|[A-Z]{4,})$/;
const mostRemembered = 50_000;

export class PlaceBook {
  readonly #byPrefix: ReadonlyMap<string, Place>;
  readonly #longest: number;
  readonly #remembered = new Map<string, Place | null>();

  constructor(rows: readonly PrefixRow[]) {
    this.#byPrefix = new Map(
      rows.map(({ prefix, country, continent, latitude, longitude }) => [
        prefix,
        { country, continent, latitude: round(latitude), longitude: round(longitude) },
      ]),
    );
    this.#longest = rows.reduce((most, { prefix }) => Math.max(most, prefix.length), 0);
  }

  get size(): number {
    return this.#byPrefix.size;
  }

  /** Null for a call of unknown origin, at sea (`/MM`) or in the air (`/AM`). */
  find(call: string): Place | null {
    const known = this.#remembered.get(call);
    if (known !== undefined) return known;
    const place = this.#findAnew(call.toUpperCase());
    if (this.#remembered.size >= mostRemembered) this.#remembered.clear();
    this.#remembered.set(call, place);
    return place;
  }

  #findAnew(call: string): Place | null {
    // DL1ABC-2 is the second station of DL1ABC, W3LPL-# a receiver of his.
    const parts = call.replace(/-[\d#]+$|[#@-]+$/, "").split("/");
    if (parts.some((part) => part === "MM" || part === "AM")) return null;
    const [first = "", ...others] = parts.filter((part) => part !== "" && !ignored.test(part));
    const area = others.find((part) => /^\d$/.test(part));
    const abroad = others.find((part) => !/^\d$/.test(part));
    if (abroad !== undefined) {
      // F/DL1ABC and DL1ABC/F are both in France: the shorter part is the place.
      const [place, home] = abroad.length < first.length ? [abroad, first] : [first, abroad];
      return this.#match(place) ?? this.#match(home);
    }
    // W1AW/4 is in the fourth call area.
    if (area !== undefined)
      return this.#match(first.replace(/^(\d?[A-Z]+)\d/, `$1${area}`)) ?? this.#match(first);
    return this.#match(first);
  }

  #match(call: string): Place | null {
    // KG4 with two letters is Guantanamo Bay; all others are in the fourth call area of the United States.
    const name = /^KG4(?![A-Z]{2}$)./.test(call) ? `K4${call.slice(3)}` : call;
    for (let length = Math.min(name.length, this.#longest); length > 0; length -= 1) {
      const place = this.#byPrefix.get(name.slice(0, length));
      if (place !== undefined) return place;
    }
    return null;
  }
}

/** The centre of a Maidenhead locator of 4, 6 or 8 characters; null for anything else. */
export function gridCentre(
  grid: string | null,
): { readonly latitude: number; readonly longitude: number } | null {
  const match = /^([A-R])([A-R])(\d)(\d)(?:([A-X])([A-X])(?:\d\d)?)?$/i.exec(grid ?? "");
  if (match === null) return null;
  const letter = (index: number): number => (match[index] ?? "A").toUpperCase().charCodeAt(0) - 65;
  const fine = match[5] !== undefined;
  const longitude =
    letter(1) * 20 - 180 + Number(match[3]) * 2 + (fine ? letter(5) / 12 + 1 / 24 : 1);
  const latitude = letter(2) * 10 - 90 + Number(match[4]) + (fine ? letter(6) / 24 + 1 / 48 : 0.5);
  return { latitude: round(latitude), longitude: round(longitude) };
}

function round(degrees: number): number {
  return Math.round(degrees * 100) / 100;
}

export interface SpotPlaces {
  readonly dx_country: string | null;
  readonly dx_continent: string | null;
  readonly dx_lat: number | null;
  readonly dx_lon: number | null;
  readonly spotter_country: string | null;
  readonly spotter_continent: string | null;
  readonly spotter_lat: number | null;
  readonly spotter_lon: number | null;
}

/** The eight fields that tell where both ends of a spot are. */
export function placesOf(
  book: PlaceBook,
  spot: {
    readonly dx_call: string;
    readonly grid_square: string | null;
    readonly spotter_call: string;
    readonly spotter_grid: string | null;
  },
): SpotPlaces {
  const dx = book.find(spot.dx_call);
  const dxAt = gridCentre(spot.grid_square) ?? dx;
  const spotter = book.find(spot.spotter_call);
  const spotterAt = gridCentre(spot.spotter_grid) ?? spotter;
  return {
    dx_country: dx?.country ?? null,
    dx_continent: dx?.continent ?? null,
    dx_lat: dxAt?.latitude ?? null,
    dx_lon: dxAt?.longitude ?? null,
    spotter_country: spotter?.country ?? null,
    spotter_continent: spotter?.continent ?? null,
    spotter_lat: spotterAt?.latitude ?? null,
    spotter_lon: spotterAt?.longitude ?? null,
  };
}
