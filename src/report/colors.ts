import pico from "picocolors";
import { paintText } from "./terminal-text.ts";

/** Functions that colour a text, or leave it as it is. */
export type Colors = ReturnType<typeof pico.createColors>;

/**
 * Colours for a stream, as marks that `fitForTerminal` makes colours of. NO_COLOR (https://no-color.org: set and not empty) and `--no-color` win over FORCE_COLOR.
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
  const colors = pico.createColors(!forbidden && (forced || able));
  if (!colors.isColorSupported) return colors;
  const painted = Object.entries(colors).map(([name, paint]) => [
    name,
    typeof paint === "function" ? (text: unknown) => paintText(paint, String(text)) : paint,
  ]);
  return Object.fromEntries(painted) as Colors;
}
