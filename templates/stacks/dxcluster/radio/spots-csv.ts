/** Spots as CSV (RFC 4180). Pure. */
export const csvFields = [
  "timestamp",
  "frequency",
  "dx_call",
  "mode",
  "band",
  "comment",
  "spotter_call",
  "signal_report",
  "grid_square",
] as const;

export type CsvSpot = Readonly<Record<(typeof csvFields)[number], string | Date | null>>;

export function toCsv(spots: readonly CsvSpot[]): string {
  const lines = spots.map((spot) => csvFields.map((field) => cell(spot[field])).join(","));
  return `${[csvFields.join(","), ...lines].join("\r\n")}\r\n`;
}

/** A leading `=`, `+`, `-` or `@` gets a quote before it, so that no spreadsheet computes what a stranger typed. */
function cell(value: string | Date | null): string {
  const text = value instanceof Date ? value.toISOString() : (value ?? "");
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
