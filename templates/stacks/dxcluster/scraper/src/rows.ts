/** Journal records → the rows that one INSERT takes. Pure. */
import { parseLine } from "../../radio/parse-line.ts";
import type { JournalRecord } from "./journal.ts";

/** Field names are those of the record set in `insertRows` (database.ts). */
export interface Row {
  readonly received: string;
  readonly node: string;
  readonly kind: string;
  readonly raw_text: string;
  readonly heard?: string;
  readonly dx_call?: string;
  readonly frequency?: number;
  readonly spotter_call?: string;
  readonly comment?: string;
  readonly mode?: string | null;
  readonly signal_report?: string | null;
  readonly grid_square?: string | null;
  readonly spotter_grid?: string | null;
  readonly band?: string | null;
  readonly split?: string | null;
  readonly skimmer?: boolean;
  readonly replayed?: boolean;
  readonly station?: string;
  readonly solar_flux?: number | null;
  readonly a_index?: number | null;
  readonly k_index?: number | null;
  readonly sunspot_number?: number | null;
  readonly conditions?: string | null;
}

export function toRow(record: JournalRecord): Row {
  const parsed = parseLine(record.line, record.at / 1000);
  // One literal a kind: spreading a common part into it took five times as long, and 5,000 spots come in a second.
  const received = isoMicroseconds(record.at);
  const { node } = record;
  const { kind } = parsed;
  // Unpaired surrogates are no text to PostgreSQL.
  const raw_text = toWellFormed(record.line);
  switch (parsed.kind) {
    case "spot":
      return {
        received,
        node,
        kind,
        raw_text,
        heard: parsed.time.toISOString(),
        dx_call: parsed.dxCall,
        frequency: parsed.frequency,
        spotter_call: parsed.spotterCall,
        comment: toWellFormed(parsed.comment),
        mode: parsed.mode,
        signal_report: parsed.signalReport,
        grid_square: parsed.gridSquare,
        spotter_grid: parsed.spotterGrid,
        band: parsed.band,
        split: parsed.split,
        skimmer: parsed.skimmer,
        replayed: parsed.replayed,
      };
    case "wwv":
    case "wcy":
      return {
        received,
        node,
        kind,
        raw_text,
        heard: parsed.time.toISOString(),
        station: parsed.station,
        solar_flux: parsed.solarFlux,
        a_index: parsed.aIndex,
        k_index: parsed.kIndex,
        sunspot_number: parsed.sunspotNumber,
        conditions: parsed.conditions,
      };
    default:
      // Only what is worth keeping is in the journal: a line that is nothing else got there because it was over-long.
      return { received, node, kind: kind === "other" ? "broken" : kind, raw_text };
  }
}

export function isoMicroseconds(at: number): string {
  const milliseconds = Math.floor(at / 1000);
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(at - milliseconds * 1000).padStart(3, "0")}Z`;
}

const surrogate = /[\ud800-\udfff]/;

function toWellFormed(text: string): string {
  // Looking behind is slow, and hardly any line needs it.
  const paired = surrogate.test(text)
    ? text.replace(
        /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
        "\ufffd",
      )
    : text;
  return paired.replaceAll("\u0000", "\u2400");
}
