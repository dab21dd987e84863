/**
 * One line from a DX cluster node → what it means. Understands the lines of DXSpider, AR-Cluster,
 * CC Cluster (also its `CC11^…` form) and CW Skimmer / RBN servers. Pure; never throws, and every
 * line gets exactly one kind.
 */
import { bandOf, plannedMode } from "./bands.ts";
import {
  gridOrNull,
  gridsInComment,
  modeInComment,
  reportInComment,
  splitInComment,
} from "./comment.ts";

export interface Spot {
  readonly kind: "spot";
  /** UTC, to the minute: the time in the line, at most an hour after its arrival. */
  readonly time: Date;
  readonly dxCall: string;
  /** kHz. */
  readonly frequency: number;
  readonly spotterCall: string;
  readonly comment: string;
  readonly mode: string | null;
  readonly signalReport: string | null;
  readonly gridSquare: string | null;
  readonly spotterGrid: string | null;
  readonly band: string | null;
  readonly split: string | null;
  /** Heard by a machine (`-#`), not by a person. */
  readonly skimmer: boolean;
  /** A line of `show/dx`: the node tells of the past. */
  readonly replayed: boolean;
}

export interface Solar {
  readonly kind: "wwv" | "wcy";
  /** UTC, to the hour. */
  readonly time: Date;
  readonly station: string;
  readonly solarFlux: number | null;
  readonly aIndex: number | null;
  readonly kIndex: number | null;
  readonly sunspotNumber: number | null;
  readonly conditions: string | null;
}

export interface OtherLine {
  /** announcement: people talking; broken: a spot that cannot be read, or bytes that are no text; other: banners, prompts. */
  readonly kind: "announcement" | "broken" | "other";
}

export type ParsedLine = Spot | Solar | OtherLine;

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const longestComment = 200;

/** @param received epoch milliseconds when the line arrived. */
export function parseLine(line: string, received: number): ParsedLine {
  const text = clean(line);
  if (/^dx de\b/i.test(text)) return parseSpot(text, received) ?? { kind: "broken" };
  if (text.startsWith("CC11^")) return parseCcSpot(text, received) ?? { kind: "broken" };
  if (/^(?:wwv|wcy) de\b/i.test(text)) return parseSolar(text, received);
  if (/^(?:to (?:all|local)|wx) de\b/i.test(text)) return { kind: "announcement" };
  const history = parseHistory(text, received);
  if (history !== null) return history;
  return { kind: looksLikeText(text) ? "other" : "broken" };
}

/** Bells and blanks at the ends carry nothing. */
function clean(line: string): string {
  // eslint-disable-next-line no-control-regex
  return line.replace(/^[\u0000-\u0020]+|[\u0000-\u0020]+$/g, "");
}

function looksLikeText(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  const strange =
    text.match(/[\u0000-\u0008\u000e-\u001a\u001c-\u001f\u007f-\u009f\u2400\ufffd]/g)?.length ?? 0;
  return strange * 10 <= text.length;
}

// The frequency may touch the colon: a long skimmer call fills its whole column.
const spotHead =
  /^dx de\s+([a-z0-9/#@-]{2,20}?)(?:\s*:\s*|\s+)(\d{1,9}(?:[.,]\d{1,3})?)\s+([a-z0-9/-]{2,20})(?=\s|$)(.*)$/i;

function parseSpot(text: string, received: number): Spot | null {
  const head = spotHead.exec(text);
  if (head === null) return null;
  const [, spotter = "", frequency = "", dxCall = "", rest = ""] = head;
  const tail = splitTail(rest);
  return makeSpot({
    spotter,
    frequency,
    dxCall,
    comment: tail.comment,
    time: resolveClock(tail.clock, received),
    spotterGrid: gridOrNull(tail.after),
  });
}

interface Tail {
  readonly comment: string;
  readonly clock: string | null;
  readonly after: string;
}

/** The last `1234Z` of the line ends the comment; what follows is the spotter's grid square, state or zone. */
function splitTail(rest: string): Tail {
  let found: { index: number; length: number; clock: string } | null = null;
  for (const match of rest.matchAll(/(?<=^|\s)((?:[01]\d|2[0-3])[0-5]\d)Z(?=\s|$)/gi)) {
    found = { index: match.index, length: match[0].length, clock: match[1] ?? "" };
  }
  if (found === null) return { comment: rest.trim(), clock: null, after: "" };
  return {
    comment: rest.slice(0, found.index).trim(),
    clock: found.clock,
    after: rest.slice(found.index + found.length).trim(),
  };
}

/** `CC11^14025.0^DX^21-Nov-2026^0101Z^comment^spotter^…` */
function parseCcSpot(text: string, received: number): Spot | null {
  const [, frequency = "", dxCall = "", date = "", clock = "", comment = "", spotter = ""] =
    text.split("^");
  const time =
    resolveDate(date.trim(), clock.trim().replace(/z$/i, "")) ?? resolveClock(null, received);
  if (!/^\d{1,9}(?:\.\d{1,3})?$/.test(frequency.trim())) return null;
  if (!/^[a-z0-9/-]{2,20}$/i.test(dxCall.trim()) || !/^[a-z0-9/#@-]{2,20}$/i.test(spotter.trim()))
    return null;
  return makeSpot({
    spotter: spotter.trim(),
    frequency: frequency.trim(),
    dxCall: dxCall.trim(),
    comment: comment.trim(),
    time,
    spotterGrid: null,
  });
}

/** A line of `show/dx`: `  14025.0  DX  21-Nov-2026 0101Z  comment  <SPOTTER>`. */
function parseHistory(text: string, received: number): Spot | null {
  const match =
    /^(\d{1,9}\.\d{1,3})\s+([a-z0-9/-]{2,20})\s+(\d{1,2}-[a-z]{3}-\d{4})\s+(\d{4})Z\s*(.*?)\s*<([a-z0-9/#@-]{2,20})>(?:\s+[a-z0-9]{1,6})?$/i.exec(
      text,
    );
  if (match === null) return null;
  const [, frequency = "", dxCall = "", date = "", clock = "", comment = "", spotter = ""] = match;
  const time = resolveDate(date, clock);
  // Only what is recent: a node that replays last year's spots must not fill today's tables.
  if (time === null || Math.abs(received - time.getTime()) > 7 * day) return null;
  const spot = makeSpot({ spotter, frequency, dxCall, comment, time, spotterGrid: null });
  return spot === null ? null : { ...spot, replayed: true };
}

interface SpotParts {
  readonly spotter: string;
  readonly frequency: string;
  readonly dxCall: string;
  readonly comment: string;
  readonly time: Date;
  readonly spotterGrid: string | null;
}

function makeSpot(parts: SpotParts): Spot | null {
  const frequency = Number(parts.frequency.replace(",", "."));
  if (!(frequency > 0)) return null;
  const spotterCall = parts.spotter.toUpperCase();
  const comment = parts.comment.slice(0, longestComment);
  const grids = gridsInComment(comment);
  return {
    kind: "spot",
    time: parts.time,
    dxCall: parts.dxCall.toUpperCase(),
    frequency,
    spotterCall,
    comment,
    mode: modeInComment(comment) ?? plannedMode(frequency),
    signalReport: reportInComment(comment),
    gridSquare: grids.dx,
    spotterGrid: parts.spotterGrid ?? grids.spotter,
    band: bandOf(frequency),
    split: splitInComment(comment),
    skimmer: /#/.test(spotterCall),
    replayed: false,
  };
}

/**
 * @param clock `HHMM`, or null (then: the minute of arrival). It has passed, but for clocks that are fast: the result
 * lies between 23 hours before and one hour after the arrival.
 */
function resolveClock(clock: string | null, received: number): Date {
  if (clock === null) return new Date(Math.floor(received / minute) * minute);
  const midnight = Math.floor((received + hour) / day) * day;
  const time = midnight + Number(clock.slice(0, 2)) * hour + Number(clock.slice(2, 4)) * minute;
  return new Date(time > received + hour ? time - day : time);
}

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

function resolveDate(date: string, clock: string): Date | null {
  const match = /^(\d{1,2})-([a-z]{3})-(\d{4})$/i.exec(date);
  if (match === null || !/^(?:[01]\d|2[0-3])[0-5]\d$/.test(clock)) return null;
  const month = months.indexOf((match[2] ?? "").toLowerCase());
  if (month < 0) return null;
  return new Date(
    Date.UTC(
      Number(match[3]),
      month,
      Number(match[1]),
      Number(clock.slice(0, 2)),
      Number(clock.slice(2, 4)),
    ),
  );
}

/** `WWV de AE5E <21>:   SFI=169, A=8, K=2, No Storms -> No Storms`; WCY adds R= and more. */
function parseSolar(text: string, received: number): Solar {
  const kind = /^wwv/i.test(text) ? "wwv" : "wcy";
  const head = /^w(?:wv|cy) de\s+([a-z0-9/#@-]{2,20})\s*(?:<([^>]*)>)?\s*:?\s*(.*)$/i.exec(text);
  const [, station = "", stamp = "", body = ""] = head ?? [];
  const clock = /(?:^|\s)([01]\d|2[0-3])(?:[0-5]\d)?Z?$/i.exec(stamp.trim())?.[1];
  const time =
    clock === undefined ? resolveClock(null, received) : resolveClock(`${clock}00`, received);
  const number = (name: string): number | null => {
    const found = new RegExp(`(?:^|[\\s,;])${name}\\s*[=:]\\s*(\\d{1,4})(?!\\d)`, "i").exec(
      body,
    )?.[1];
    return found === undefined ? null : Number(found);
  };
  const conditions = /(?:^|,\s*)([^,=]+->[^,=]+)$/.exec(body)?.[1]?.trim();
  const geomagnetic = /\b(SA=.*)$/i.exec(body)?.[1];
  return {
    kind,
    time: new Date(Math.floor(time.getTime() / hour) * hour),
    station: station.toUpperCase(),
    solarFlux: number("SFI"),
    aIndex: number("A"),
    kIndex: number("K"),
    sunspotNumber: number("(?:SSN|R)"),
    conditions: (conditions ?? geomagnetic ?? null)?.slice(0, longestComment) ?? null,
  };
}
