/** What the scraper counts, by the names its users' monitoring knows. */
import { Metrics } from "./metrics.ts";

const counters: Readonly<Record<string, string>> = {
  lines_received_total: "Lines received, by node and kind",
  spots_total: "Spots received, by band and mode",
  connection_errors_total: "Lost or failed connections, by node",
};

/** These are there from the start: a counter that is absent looks like one that was never built. */
const plainCounters: Readonly<Record<string, string>> = {
  lines_cut_total: "Lines longer than the limit",
  spots_stored_total: "Spots stored (the same spot from two nodes once)",
  spots_recovered_total: "Of those, spots from a node's history that nobody had listened to",
  wwv_stored_total: "WWV and WCY announcements stored",
  lines_refused_total: "Lines refused because the journal was full",
  rows_rejected_total: "Lines PostgreSQL refused for what they hold",
  db_errors_total: "Failed attempts to store a batch",
  db_insert_seconds_sum: "Seconds spent storing batches",
  db_insert_seconds_count: "Batches stored",
};

const gauges: Readonly<Record<string, string>> = {
  cluster_connected: "1 while logged in, by node",
  journal_bytes: "Bytes that wait for the database",
  last_spot_timestamp: "Arrival of the last spot, seconds since the epoch",
  uptime_seconds: "Seconds since the start",
  memory_bytes: "Resident memory",
};

export function createScraperMetrics(): Metrics {
  const metrics = new Metrics("dx_scraper_");
  for (const [name, help] of Object.entries(counters)) metrics.declare(name, "counter", help);
  for (const [name, help] of Object.entries(plainCounters)) {
    metrics.declare(name, "counter", help);
    metrics.add(name, 0);
  }
  for (const [name, help] of Object.entries(gauges)) metrics.declare(name, "gauge", help);
  return metrics;
}
