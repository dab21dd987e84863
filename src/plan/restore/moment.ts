/** A moment as a person wrote it, or why it is none. */
export type Moment =
  | { readonly milliseconds: number }
  | { readonly wrong: string; readonly next?: string };

export interface MomentContext {
  /** Now, in milliseconds since the epoch. */
  readonly now: number;
  /** The zone of times that do not say theirs: an IANA name; "" is UTC. */
  readonly zone: string;
}

/** Abbreviations that mean one thing only, in hours from UTC; for others (IST, BST) the offset has to be written. */
const abbreviations: Readonly<Record<string, number>> = {
  ...{ UTC: 0, GMT: 0, Z: 0, WET: 0, WEST: 1, CET: 1, CEST: 2, EET: 2, EEST: 3, MSK: 3 },
  ...{
    EST: -5,
    EDT: -4,
    CDT: -5,
    MST: -7,
    MDT: -6,
    PST: -8,
    PDT: -7,
    AKST: -9,
    AKDT: -8,
    HST: -10,
  },
  ...{ JST: 9, KST: 9, AEST: 10, AEDT: 11, NZST: 12, NZDT: 13 },
};

const unitMs: Readonly<Record<string, number>> = {
  ...{ s: 1000, sec: 1000, secs: 1000, second: 1000, seconds: 1000 },
  ...{ m: 60_000, min: 60_000, mins: 60_000, minute: 60_000, minutes: 60_000 },
  ...{ h: 3_600_000, hour: 3_600_000, hours: 3_600_000 },
  ...{ d: 86_400_000, day: 86_400_000, days: 86_400_000, week: 604_800_000, weeks: 604_800_000 },
};

const forms =
  "write it as “10 minutes ago”, “14:05”, “yesterday 14:05” or “2026-11-27 14:05:30 CET”";

/**
 * Reads a moment: `10 minutes ago`, `1 h 20 min ago`, `now`, `14:05`, `today 14:05`, `yesterday 14:05:30`, `2026-11-27 20:00`, ISO 8601,
 * each but the first two with a zone behind it (`UTC`, `CET`, `+02:00`, `Europe/Berlin`), and `@1764266000`. Nothing is guessed: a
 * date alone, a day and month in figures, a wall time that a change of clocks skips or repeats are refused.
 */
export function parseMoment(text: string, context: MomentContext): Moment {
  const words = text.trim().replace(/\s+/g, " ");
  if (/^now$/i.test(words)) return { milliseconds: context.now };
  const epoch = /^@(\d{1,12}(?:\.\d{1,6})?)$/.exec(words)?.[1];
  if (epoch !== undefined) return { milliseconds: Number(epoch) * 1000 };
  const ago = /^(.+) ago$/i.exec(words)?.[1];
  if (ago !== undefined) return readAgo(ago.toLowerCase(), context.now);
  return readWall(words, context);
}

function readAgo(text: string, now: number): Moment {
  let left = text.replace(/,| and /g, " ").trim();
  let sum = 0;
  while (left !== "") {
    const part = /^(an?|\d{1,9}(?:\.\d{1,3})?) ?([a-z]+)(?: +|$)/.exec(left);
    const unit = unitMs[part?.[2] ?? ""];
    if (part === null || unit === undefined)
      return { wrong: `${JSON.stringify(left)} is no length of time`, next: forms };
    sum += (/^an?$/.test(part[1] ?? "") ? 1 : Number(part[1])) * unit;
    left = left.slice(part[0].length).trim();
  }
  return { milliseconds: now - sum };
}

interface Wall {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const wallForm =
  /^(?:(today|yesterday)(?: at)? |(\d{4})-(\d\d)-(\d\d)(?:T| at | ))?(\d{1,2}):(\d\d)(?::(\d\d(?:\.\d{1,9})?))?(?: ?(Z|[+-]\d\d(?::?\d\d)?|[A-Za-z][A-Za-z_/+-]*\d{0,2}))?$/i;

function readWall(text: string, { now, zone }: MomentContext): Moment {
  if (/^(?:today|yesterday|\d{4}-\d\d-\d\d)$/i.test(text))
    return { wrong: `${text} has no time of day`, next: `write ${text} 14:05` };
  const match = wallForm.exec(text);
  if (match === null) return { wrong: `${JSON.stringify(text)} is no time`, next: forms };
  const [, word, year, month, day, hour, minute, second, written] = match;
  const place = readZone(written, zone);
  if (place === undefined)
    return {
      wrong: `${written} is no time zone that means one thing`,
      next: "write the offset (+02:00) or a name like Europe/Berlin",
    };
  const wall = {
    ...(year === undefined
      ? dayIn(place, now, word?.toLowerCase() === "yesterday" ? 1 : 0)
      : { year: Number(year), month: Number(month), day: Number(day) }),
    ...{ hour: Number(hour), minute: Number(minute), second: Number(second ?? 0) },
  };
  if (!exists(wall)) return { wrong: `there is no ${text}`, next: forms };
  return placeWall(wall, place, text);
}

/** A number of hours from UTC, or a name. */
type Zone = number | string;

/** @returns undefined where what is written is none, or means more than one */
function readZone(written: string | undefined, host: string): Zone | undefined {
  if (written === undefined) return host !== "" && isZone(host) ? host : 0;
  const known = abbreviations[written.toUpperCase()];
  if (known !== undefined) return known;
  const offset = /^([+-])(\d\d):?(\d\d)?$/.exec(written);
  if (offset !== null)
    return (offset[1] === "-" ? -1 : 1) * (Number(offset[2]) + Number(offset[3] ?? 0) / 60);
  // Three letters are abbreviations, whatever the zone database has kept of them.
  return written.includes("/") && isZone(written) ? written : undefined;
}

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).format(0) !== "";
  } catch {
    return false;
  }
}

/** The day that it is there, or was so many days ago by the calendar, also where a day has 23 hours. */
function dayIn(zone: Zone, now: number, back: number): Pick<Wall, "year" | "month" | "day"> {
  return fields(now + offsetOf(zone, now) - back * 86_400_000);
}

function fields(local: number): Pick<Wall, "year" | "month" | "day"> {
  const date = new Date(local);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
  };
}

/** Milliseconds from UTC at that moment. */
function offsetOf(zone: Zone, moment: number): number {
  if (typeof zone === "number") return zone * 3_600_000;
  const parts = new Intl.DateTimeFormat("en-US", {
    ...{ timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric" },
    ...{ hour: "numeric", minute: "numeric", second: "numeric" },
  }).formatToParts(moment);
  const value = (type: string): number =>
    Number(parts.find((part) => part.type === type)?.value ?? 0);
  const local = Date.UTC(
    ...([value("year"), value("month") - 1, value("day")] as const),
    ...([value("hour"), value("minute"), value("second")] as const),
  );
  return local - Math.floor(moment / 1000) * 1000;
}

function exists({ year, month, day, hour, minute, second }: Wall): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return (
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60
  );
}

function placeWall(wall: Wall, zone: Zone, text: string): Moment {
  const { year, month, day, hour, minute, second } = wall;
  const local = Date.UTC(year, month - 1, day, hour, minute) + Math.round(second * 1000);
  const offsets = [local - 86_400_000, local, local + 86_400_000].map((at) => offsetOf(zone, at));
  const found = [...new Set(offsets.map((offset) => local - offset))].filter(
    (moment) => moment + offsetOf(zone, moment) === local,
  );
  const [only, other] = found.sort((left, right) => left - right);
  if (only === undefined)
    return {
      wrong: `${text} was skipped when the clocks of ${String(zone)} were changed`,
      next: "write the time in UTC",
    };
  if (other !== undefined)
    return {
      wrong: `${text} was twice when the clocks of ${String(zone)} were changed`,
      next: `write ${formatUtc(only)} UTC or ${formatUtc(other)} UTC`,
    };
  return { milliseconds: only };
}

/** `2026-11-27 20:00:00`, with a fraction where there is one. */
export function formatUtc(milliseconds: number): string {
  return new Date(milliseconds)
    .toISOString()
    .replace("T", " ")
    .replace(/(?:\.000)?Z$/, "");
}
