import pico from "picocolors";

/** Functions that colour a text, or leave it as it is. */
export type Colors = ReturnType<typeof pico.createColors>;

/**
 * Colours for a stream. NO_COLOR (https://no-color.org: set and not empty) and `--no-color` win over FORCE_COLOR.
 * @param wanted false for `--no-color`
 */
export function makeColors(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
  wanted = true,
): Colors {
  const set = (name: string) => (environment[name] ?? "") !== "";
  const forbidden = !wanted || set("NO_COLOR");
  const forced = set("FORCE_COLOR") && environment["FORCE_COLOR"] !== "0";
  const able = stream.isTTY === true && environment["TERM"] !== "dumb";
  return pico.createColors(!forbidden && (forced || able));
}
