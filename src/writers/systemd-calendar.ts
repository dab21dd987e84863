import { systemdText } from "./systemd.ts";
import type { SystemdValue } from "./systemd.ts";
import { UnwritableError } from "./written.ts";

const shorthands =
  /^(?:minutely|hourly|daily|weekly|monthly|quarterly|semiannually|semi-annually|yearly|annually|anually)$/i;

/**
 * OnCalendar=: systemd.time(7), "Calendar Events". An expression that systemd does not understand it leaves out with a word in
 * the journal, and the timer never elapses.
 * @throws UnwritableError
 */
export function systemdCalendar(expression: string): SystemdValue {
  const { words, zone } = splitZone(expression);
  const wrong =
    (zone === undefined || isZone(zone) ? undefined : `there is no time zone ${zone}`) ??
    (words.length === 1 && shorthands.test(words[0] ?? "") ? undefined : refuseWords(words));
  if (wrong !== undefined)
    throw new UnwritableError(`${wrong}; \`systemd-analyze calendar\` tries one`);
  return systemdText(expression);
}

/** The last word is a time zone where nothing else fits. */
function splitZone(expression: string): { words: string[]; zone: string | undefined } {
  const words = expression.split(" ").filter((word) => word !== "");
  const last = words.at(-1) ?? "";
  const isZoned = words.length > 1 && /^[A-Z]/.test(last) && !isWeekdays(last);
  return isZoned ? { words: words.slice(0, -1), zone: last } : { words, zone: undefined };
}

function isZone(name: string): boolean {
  if (name === "UTC") return true;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

function refuseWords(words: readonly string[]): string | undefined {
  const rest = isWeekdays(words[0] ?? "") ? words.slice(1) : words;
  const [first, second, other] = rest;
  if (words.length === 0) return "it is empty";
  if (first === undefined) return undefined;
  if (other !== undefined)
    return `${JSON.stringify(other)} comes after weekdays, a date, a time and a time zone`;
  if (second !== undefined) return refuseDate(first) ?? refuseTime(second);
  return first.includes(":") ? refuseTime(first) : refuseDate(first);
}

const weekday =
  "(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)";
const weekdays = new RegExp(`^${weekday}(?:(?:\\.\\.|-|,)${weekday})*$`, "i");

function isWeekdays(word: string): boolean {
  // A range has two ends.
  return weekdays.test(word) && !/(?:\.\.|-)[a-z]+(?:\.\.|-)/i.test(word) && !isBackwards(word);
}

const order = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

function isBackwards(word: string): boolean {
  return word
    .toLowerCase()
    .split(",")
    .some((range) => {
      const [from, to] = range.split(/\.\.|-/).map((day) => order.indexOf(day.slice(0, 3)));
      return from !== undefined && to !== undefined && from > to;
    });
}

/** `YEAR-MONTH-DAY`, `MONTH-DAY`; `~` before the day counts from the month's end. */
function refuseDate(word: string): string | undefined {
  const match = /^(?:([^-~]+)-)?([^-~]+)[-~]([^-~]+)$/.exec(word);
  if (match === null) return `${JSON.stringify(word)} is no date such as *-*-01`;
  const [, year, month = "", day = ""] = match;
  // systemd takes some of these lists and not others.
  if (word.includes("~") && day.includes(","))
    return `${JSON.stringify(word)} has a list of days from the month's end`;
  return (
    (year === undefined ? undefined : refuseNumbers(year, 1970, 2199, "year")) ??
    refuseNumbers(month, 1, 12, "month") ??
    refuseNumbers(day, 1, word.includes("~") ? 28 : 31, "day", word.includes("~"))
  );
}

/** `HOUR:MINUTE` or `HOUR:MINUTE:SECOND`. */
function refuseTime(word: string): string | undefined {
  const parts = word.split(":");
  const [hour = "", minute, second] = parts;
  if (minute === undefined || parts.length > 3)
    return `${JSON.stringify(word)} is no time such as 03:00`;
  return (
    refuseNumbers(hour, 0, 23, "hour") ??
    refuseNumbers(minute, 0, 59, "minute") ??
    (second === undefined ? undefined : refuseNumbers(second, 0, 59, "second"))
  );
}

/** `*`, or numbers, ranges and steps separated by commas. */
function refuseNumbers(
  list: string,
  least: number,
  most: number,
  what: string,
  isFromEnd = false,
): string | undefined {
  if (list === "*") return undefined;
  for (const one of list.split(",")) {
    const match = /^(\d{1,4})(?:\.\.(\d{1,4}))?(?:\/(\d{1,4}))?$/.exec(one);
    if (match === null) return `${JSON.stringify(one)} is no ${what}`;
    const [first, last, step] = [match[1], match[2], match[3]].map((digits) =>
      digits === undefined ? undefined : Number(digits),
    );
    const inside = (number: number | undefined) =>
      number === undefined || (number >= least && number <= most);
    if (!inside(first) || !inside(last))
      return `${JSON.stringify(one)} is no ${what} from ${least} to ${most}`;
    if (last !== undefined && (first ?? 0) >= last)
      return `${JSON.stringify(one)} is no range from a smaller to a larger number`;
    if (step === undefined) continue;
    // src/shared/calendarspec.c, chain_valid: one repetition must be possible.
    const next = isFromEnd && last === undefined ? (first ?? 0) - step : (first ?? 0) + step;
    if (step === 0 || next < least || next > (last ?? most))
      return `the step of ${JSON.stringify(one)} leads nowhere`;
  }
  return undefined;
}
