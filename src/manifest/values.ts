/**
 * The small values a manifest is made of. Each schema carries its own "expected …" sentence, which
 * explain.ts turns into the message a user reads, and a pattern that editors get too.
 */
import { z } from "zod";

/** Control characters would break out of the unit file, the SQL or the rule a value is rendered into. */
export const control = String.raw`\u0000-\u001f\u007f`;

/** A string of one shape. `expected` completes "expected …"; `title` is its type in the reference pages. */
export function text(expected: string, pattern?: RegExp, title = "text") {
  const error = `expected ${expected}`;
  const schema = z.string({ error });
  // abort: otherwise a union returns this one complaint instead of all its alternatives.
  const checked =
    pattern === undefined
      ? schema.min(1, { error, abort: true })
      : schema.regex(pattern, { error, abort: true });
  return checked.meta({ title });
}

/** A mapping with exactly these keys. */
export function mapping<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const keys = Object.keys(shape).filter((key) => !isRefused(shape[key]));
  // explain.ts reads the allowed keys back from the message: zod's issue does not carry them.
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys" ? keys.join(" ") : `expected ${describeShape(keys)}`,
  });
}

/** A key that must not be there, with the reason; it is among the keys of its mapping for that message alone. */
export function refused(error: string) {
  return z.never({ error }).optional().meta({ description: error });
}

function isRefused(schema: unknown): boolean {
  return schema instanceof z.ZodOptional && schema.unwrap() instanceof z.ZodNever;
}

function describeShape(keys: readonly string[]): string {
  return `{${keys.slice(0, 4).join(", ")}${keys.length > 4 ? ", …" : ""}}`;
}

/** A mapping from names to things. */
export function named<Key extends z.core.$ZodRecordKey, Value extends z.ZodType>(
  key: Key,
  value: Value,
  what: string,
) {
  return z.record(key, value, { error: `expected a mapping from ${what}` });
}

/** A list; `what` is the plural of its items. */
export function listOf<Item extends z.ZodType>(item: Item, what: string) {
  return z.array(item, { error: `expected a list of ${what}` });
}

export function choice<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values);
}

export function flag() {
  return z.boolean({ error: "expected true or false" });
}

export function count(from: number, to: number) {
  const error = `expected a whole number between ${from} and ${to}`;
  return z.int({ error }).min(from, { error }).max(to, { error });
}

export const port = () => {
  const error = "expected a port number between 1 and 65535";
  return z.int({ error }).min(1, { error }).max(65_535, { error }).meta({ title: "port" });
};

/** A port number as text, for patterns. */
export const portDigits = String.raw`(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})`;

/** Names of stacks and services: unit, user, container and DNS names are made from them. */
const labelPattern = /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,19}$/;
export const label = () =>
  text(
    'a name of 1 to 20 lower case letters, digits and single "-" that begins with a letter',
    labelPattern,
    "name",
  );

/** Names that hostkit never passes on as they are: hosts, repositories. */
export const handle = () =>
  text(
    'a name of up to 63 letters, digits, ".", "_" and "-"',
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    "name",
  );

/** PostgreSQL names; always quoted when rendered, yet kept to what needs no escaping anywhere. */
export const identifier = () =>
  text(
    'a PostgreSQL name of up to 63 letters, digits, "_" and "-" that begins with a letter or "_"',
    /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/,
    "name",
  );

export const variableName = () =>
  text(
    'a name made of letters, digits and "_" that does not begin with a digit',
    /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
    "NAME",
  );

const secondsPer = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;
const durationExpected = 'expected a duration such as "30s", "5m", "1h30m" or a number of seconds';

const longestSeconds = 31_536_000;

/** A duration of at most a year; comes out as whole seconds, at least 1. */
export const duration = () => {
  const seconds = z
    .int({ error: durationExpected })
    .min(1, { error: durationExpected })
    .max(longestSeconds, { error: durationExpected });
  const written = z
    .string({ error: durationExpected })
    .regex(/^(?:\d{1,8}[smhdw])+$/, { error: durationExpected, abort: true })
    .transform((parts) =>
      [...parts.matchAll(/(\d+)([smhdw])/g)].reduce(
        (sum, [, amount, unit]) =>
          sum + Number(amount) * secondsPer[unit as keyof typeof secondsPer],
        0,
      ),
    )
    .pipe(seconds);
  return z.union([seconds, written]).meta({ title: "duration" });
};

const exponentOf: Record<string, number> = { "": 0, K: 1, M: 2, G: 3, T: 4 };
const sizeExpected = 'expected a size such as "512M", "2G" or a number of bytes';

/** A size; K, M, G and T are powers of 1024; comes out as whole bytes, at least 1. */
export const size = () => {
  const bytes = z.int({ error: sizeExpected }).min(1, { error: sizeExpected });
  const written = z
    .string({ error: sizeExpected })
    .regex(/^\d{1,12}(?:\.\d{1,3})?(?:[KMGTkmgt](?:i?[Bb])?)?$/, {
      error: sizeExpected,
      abort: true,
    })
    .transform((amount) => {
      const unit = /[KMGT]/i.exec(amount)?.[0].toUpperCase() ?? "";
      return Math.round(Number.parseFloat(amount) * 1024 ** (exponentOf[unit] ?? 0));
    })
    .pipe(bytes);
  return z.union([bytes, written]).meta({ title: "size" });
};

const printable = `[^${control}]`;

/** A path on the controller: relative to the manifest's folder, absolute, or beginning with `~/`. */
export const localPath = (what: string) => text(what, new RegExp(`^${printable}+$`), "path");

/** An absolute path on the host or in a container, without `..` and `:`. */
export const absolutePath = () =>
  text(
    'an absolute path without "..", ":" and line breaks',
    new RegExp(String.raw`^/(?!.*(?:^|/)\.\.(?:/|$))[^${control}:]*$`),
    "absolute path",
  );

/** Free text of one line. */
export const line = (what: string) => text(what, new RegExp(`^${printable}+$`));

const scalarExpected = 'expected one line of text, a number, true or false (write "" for empty)';

/** A setting or variable as text. Numbers were replaced by their source text in parse.ts (1.10 stays "1.10"). */
export const scalarText = () =>
  z
    .union([
      z
        .string({ error: scalarExpected })
        .regex(new RegExp(`^${printable}*$`), { error: scalarExpected, abort: true }),
      z.number({ error: scalarExpected }).transform(String),
      z.boolean({ error: scalarExpected }).transform(String),
    ])
    .meta({ title: "text" });

const times =
  'hourly, daily, weekly, monthly or a systemd calendar expression such as "Mon *-*-* 03:00"';
const timePattern = String.raw`hourly|daily|weekly|monthly|quarterly|semiannually|yearly|(?=.*[*\d])[A-Za-z0-9*:,.~/ -]{3,80}`;

/** A systemd OnCalendar expression; the host's `systemd-analyze calendar` has the last word. */
export const schedule = () => text(times, new RegExp(`^(?:${timePattern})$`), "schedule");

/** The same, or `none`. */
export const scheduleOrNone = () =>
  text(`none, ${times}`, new RegExp(`^(?:none|${timePattern})$`), "none or schedule");

const word = String.raw`[^${control}\s"'\\$\u0060;&|<>()]+`;

/** Words of a command. A text is split at blanks; anything that would need a shell must be a list. */
export const commandWords = () =>
  z
    .union([
      text(
        'a command without quotes, backslashes and "$" (write it as a list of words where it needs them)',
        new RegExp(`^ *${word}(?: +${word})* *$`),
      ).transform((written) => written.trim().split(/ +/)),
      z.array(line("a word of the command"), { error: "expected a list of words" }).min(1, {
        error: "expected at least one word",
      }),
    ])
    .meta({ title: "command" });

/** A network block or a single address, IPv4 or IPv6. */
export const networkBlock = () => {
  const error = 'expected an address or a block such as "192.0.2.0/24" or "2001:db8::/32"';
  return z
    .union([z.cidrv4({ error }), z.cidrv6({ error }), z.ipv4({ error }), z.ipv6({ error })])
    .meta({ title: "address or block" });
};

export const httpsUrl = (what: string) =>
  text(what, /^https:\/\/[^\s/?#"'\\<>{}|^`]+(?:[/?#][^\s"'\\<>{}|^`]*)?$/, "URL");

const hostLabel = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
export const hostNamePattern = new RegExp(
  String.raw`^(?=.{1,253}\.?$)${hostLabel}(?:\.${hostLabel})*\.?$`,
);

/**
 * Alternatives of which the closest one explains what is wrong. zod's union goes on with an alternative that has
 * nothing but unknown keys and forgets the others; `continue: false` makes it fail like any other.
 */
export function closest<Schema extends z.ZodType>(schema: Schema) {
  return schema.transform((value, context) => {
    context.issues = context.issues.map((issue) => ({ ...issue, continue: false }));
    return value;
  });
}

/** Options shared by things that may be left empty: `dx1:` and `dx1: {}` mean the same. */
export function orEmpty<Schema extends z.ZodType>(schema: Schema) {
  return z.union([schema, z.null()]);
}
