/** What the table shows, as a file. */
import { toCsv } from "../../radio/spots-csv.ts";
import type { Spot } from "./spots.ts";

export function saveCsv(spots: readonly Spot[]): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([toCsv(spots)], { type: "text/csv" }));
  link.download = `spots-${new Date().toISOString().slice(0, 16).replaceAll(":", "")}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}
