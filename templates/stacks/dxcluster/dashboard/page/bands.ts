/** The bands in the order of their frequencies, and the colour each has all over the page. */
import { type Band, bands as plan } from "../../radio/bands.ts";

/** These are always shown, however quiet. */
export const usualBands = [
  "160m",
  "80m",
  "60m",
  "40m",
  "30m",
  "20m",
  "17m",
  "15m",
  "12m",
  "10m",
  "6m",
  "2m",
];

export function rank(band: string): number {
  return plan.findIndex((candidate) => candidate.name === band);
}

export function edgesOf(band: string): Band | undefined {
  return plan.find((candidate) => candidate.name === band);
}

/** The usual bands and those that were heard, by frequency. */
export function withUsual(heard: readonly string[]): readonly string[] {
  return [...new Set([...usualBands, ...heard])].sort((a, b) => rank(a) - rank(b));
}

const coloured = new Set(usualBands);

/** The name of the style sheet's colour, without `--`. */
export function bandColourName(band: string | null): string {
  return band !== null && coloured.has(band) ? `band-${band}` : "band-other";
}

export function bandColour(band: string | null): string {
  return `var(--${bandColourName(band)})`;
}
