import { refuseControl, UnwritableError, written } from "./written.ts";
import type { Written } from "./written.ts";

/**
 * The only place where the Caddyfile's language is written. Source of its rules: Caddy 2.6.2, the version of Debian 12 and 13,
 * `caddyconfig/caddyfile/{lexer,parse}.go` and `replacer.go`; `scripts/writers caddyfile` asks the program itself.
 *
 * What a text goes through: (1) `{$X}` is replaced before anything is read, quotes or not; (2) the lexer, where double quotes keep
 * every backslash but one before a quote, and backquotes keep everything; (3) a token that is only a brace is a brace, quoted
 * or not; (4) a file that is imported loses one backslash before each brace, in tokens that have an opening one; (5) so does
 * a value that may hold placeholders, when a request comes.
 */

/** How a value is read behind the lexer. */
export interface TokenReading {
  /** How many `import`s lead to the file. */
  readonly imports: number;
  /** The directive looks for placeholders when a request comes (header values, URLs of redirects). */
  readonly hasPlaceholders: boolean;
}

/** Files of `sites/`: imported once, by the main Caddyfile. */
const imported: TokenReading = { imports: 1, hasPlaceholders: false };
/** The same for what may hold placeholders. */
export const importedValue: TokenReading = { imports: 1, hasPlaceholders: true };

/** An empty placeholder: a variable that nobody sets. It makes a token that is a lone brace one that is not. */
const nothing = "{http.vars.hostkit}";
/** `{$` that the first pass leaves alone: an environment variable without a name, whose default is a brace. */
const environmentBrace = "{$:{}$";

/**
 * One token that Caddy reads as exactly this value.
 * @throws UnwritableError for a lone brace where no placeholders are looked for, and for a backquote beside a backslash at the end or
 *   before a quote: a backquote wants double quotes, in which a backslash cannot stand there
 */
export function caddyToken(value: string, reading: TokenReading = imported): Written<"caddyfile"> {
  refuseControl(value);
  if (value.includes("`") && /\\(?:"|$)/.test(value))
    throw new UnwritableError(
      "it has a backquote, and a backslash at its end or before a quote: Caddy 2.6 has no way to write both",
    );
  if (!reading.hasPlaceholders && /^[{}]$/.test(value))
    throw new UnwritableError("Caddy reads a lone brace as the begin or end of a block");
  const passes = reading.imports + (reading.hasPlaceholders ? 1 : 0);
  const text = value === "}" ? `${"\\".repeat(passes)}}${nothing}` : escapeBraces(value, passes);
  return written("caddyfile", quote(text.replaceAll("{$", environmentBrace)));
}

/** The URL of a redirect; path and query of the request are put behind it. */
export function caddyRedirect(url: string): Written<"caddyfile"> {
  const { text } = caddyToken(url, importedValue);
  const end = /["`]$/.exec(text)?.[0] ?? "";
  return written("caddyfile", `${text.slice(0, text.length - end.length)}{uri}${end}`);
}

/** Caddyfile text whose interpolations come from this writer; literal parts are directives. */
export function caddyfile(
  strings: TemplateStringsArray,
  ...values: readonly Written<"caddyfile">[]
): Written<"caddyfile"> {
  return written(
    "caddyfile",
    strings.reduce((text, part, at) => text + (values[at - 1]?.text ?? "") + part),
  );
}

/** Each pass takes one backslash from before each brace, but only where there is an opening brace at all. */
function escapeBraces(value: string, passes: number): string {
  if (!value.includes("{")) return value;
  return value.replaceAll(/[{}]/g, (brace) => `${"\\".repeat(passes)}${brace}`);
}

function quote(text: string): string {
  if (/^[A-Za-z0-9@%_+=:,./*?-]+$/.test(text)) return text;
  if (!text.includes("`")) return `\`${text}\``;
  return `"${text.replaceAll('"', '\\"')}"`;
}
