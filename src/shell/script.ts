import { quoteWord } from "./quote.ts";

/** Shell text that is safe to run: every value in it went through `quoteWord`. Runs under POSIX `sh`. */
export interface Script {
  readonly text: string;
}

/** What a `sh` template takes: a string or number becomes one word, a list several words, a Script stays as it is. */
export type ScriptValue = string | number | readonly string[] | Script;

/**
 * Template tag for shell text: literal parts stay, every interpolation is quoted.
 * `sh\`systemctl restart ${unit}\`` cannot be broken out of by any value of `unit`.
 * Never interpolate inside quotes of the literal part: the value brings its own.
 */
export function sh(strings: TemplateStringsArray, ...values: readonly ScriptValue[]): Script {
  let text = strings[0] ?? "";
  values.forEach((value, index) => {
    text += renderValue(value) + (strings[index + 1] ?? "");
  });
  return { text };
}

/** Joins scripts with newlines, leaving empty ones out. */
export function joinScripts(scripts: readonly Script[], separator = "\n"): Script {
  return {
    text: scripts
      .map((script) => script.text)
      .filter((text) => text !== "")
      .join(separator),
  };
}

/** Text taken as shell source as it stands: for scripts that ship with hostkit, never for values. */
export function rawScript(text: string): Script {
  return { text };
}

/** One command from its words, each quoted. */
export function commandScript(words: readonly string[]): Script {
  return { text: words.map(quoteWord).join(" ") };
}

function renderValue(value: ScriptValue): string {
  if (typeof value === "string") return quoteWord(value);
  if (typeof value === "number") return String(value);
  if ("text" in value) return value.text;
  return value.map(quoteWord).join(" ");
}
