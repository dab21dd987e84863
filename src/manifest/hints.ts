/** What somebody probably meant with a value that does not fit. */

const yes = new Set(["yes", "y", "on", "enable", "enabled"]);
const no = new Set(["no", "n", "off", "disable", "disabled"]);

const durationUnits: Readonly<Record<string, string>> = {
  s: "s",
  sec: "s",
  secs: "s",
  second: "s",
  seconds: "s",
  m: "m",
  min: "m",
  mins: "m",
  minute: "m",
  minutes: "m",
  h: "h",
  hr: "h",
  hour: "h",
  hours: "h",
  d: "d",
  day: "d",
  days: "d",
  w: "w",
  week: "w",
  weeks: "w",
};

/** A number in quotes, where a number is wanted. */
export function isQuotedNumber(value: unknown, expected: readonly string[]): boolean {
  return (
    typeof value === "string" &&
    /^[1-9]\d*$/.test(value) &&
    expected.length === 1 &&
    expected.some((text) => /port number|whole number/.test(text))
  );
}

/**
 * @param expected what each alternative expects, without "expected "
 * @param choices words of a choice, if it is one
 */
export function guessMeant(
  value: unknown,
  expected: readonly string[],
  choices: readonly string[],
): string | undefined {
  const wants = (part: string): boolean => expected.some((text) => text.includes(part));
  const word = typeof value === "boolean" ? (value ? "on" : "off") : value;
  if (typeof word === "string" && (yes.has(word.toLowerCase()) || no.has(word.toLowerCase()))) {
    const isYes = yes.has(word.toLowerCase());
    if (wants("true or false")) return String(isYes);
    return !isYes && choices.includes("none") ? "none" : undefined;
  }
  if (typeof value !== "string") return undefined;
  if (wants("a duration")) return guessDuration(value);
  if (wants("a size")) return guessSize(value);
  return wants("a number of CPUs") ? guessCpus(value) : undefined;
}

function guessDuration(value: string): string | undefined {
  const [, amount = "", unit = ""] = /^\s*(\d{1,8})\s*([a-z]*)\s*$/i.exec(value) ?? [];
  if (amount === "") return undefined;
  if (unit.toLowerCase() === "ms") return `${Math.max(1, Math.round(Number(amount) / 1000))}s`;
  const known = unit === "" ? "s" : durationUnits[unit.toLowerCase()];
  return known === undefined ? undefined : `${Number(amount)}${known}`;
}

function guessSize(value: string): string | undefined {
  const [, amount = "", unit = ""] =
    /^\s*(\d{1,12}(?:\.\d{1,3})?)\s*([KMGT])i?b?(?:ytes?)?\s*$/i.exec(value) ?? [];
  return amount === "" ? undefined : `${amount}${unit.toUpperCase()}`;
}

/** Kubernetes counts thousandths (100m), others in per cent. */
function guessCpus(value: string): string | undefined {
  const [, amount = "", unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*(m|%|)\s*$/.exec(value) ?? [];
  if (amount === "") return undefined;
  return String(Number(amount) / (unit === "m" ? 1000 : unit === "%" ? 100 : 1));
}
