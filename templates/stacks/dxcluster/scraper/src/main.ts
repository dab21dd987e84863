/** dx-scraper: DX cluster nodes → journal → PostgreSQL. */
import * as fs from "node:fs";
import * as path from "node:path";
import { parseLine } from "../../radio/parse-line.ts";
import { ClusterNode } from "./cluster-node.ts";
import { type Config, ConfigError, parseSettingsFile, readConfig } from "./config.ts";
import { Database } from "./database.ts";
import { Journal } from "./journal.ts";
import { isAlive } from "./liveness.ts";
import type { FramedLine } from "./line-framer.ts";
import { Metrics, serveMetrics } from "./metrics.ts";
import { ServiceManager } from "./service-manager.ts";
import { Writer } from "./writer.ts";

declare const SCRAPER_VERSION: string;

const help = `dx-scraper ${SCRAPER_VERSION}: stores the spots of DX cluster nodes in PostgreSQL.

Usage: dx-scraper [--check] [--version] [--help]

Settings come from the environment, then from /etc/dx-scraper/dx-scraper.conf:
  DX_NODES        host:port of each cluster node, separated by commas (required)
  DX_CALLSIGN     callsign to log in with (required)
  PGHOST PGDATABASE PGUSER   where PostgreSQL is, as for psql
See dx-scraper(8) for the others.
`;

/** Priority prefixes are systemd's: <3> error, <4> warning, <6> information. */
function log(priority: 3 | 4 | 6, text: string): void {
  process.stderr.write(
    `${process.env["JOURNAL_STREAM"] === undefined ? "" : `<${priority}>`}${text}\n`,
  );
}

function loadConfig(): Config {
  const file = process.env["DX_CONFIG"] ?? "/etc/dx-scraper/dx-scraper.conf";
  let text = "";
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const credentials = process.env["CREDENTIALS_DIRECTORY"];
  const secret = credentials === undefined ? undefined : path.join(credentials, "DX_PASSWORD");
  const password =
    secret !== undefined && fs.existsSync(secret) ? fs.readFileSync(secret, "utf8").trim() : null;
  return readConfig(process.env, parseSettingsFile(text), password);
}

function declareMetrics(): Metrics {
  const metrics = new Metrics();
  metrics.declare("dx_scraper_lines_received_total", "counter", "Lines received, by node and kind");
  metrics.declare("dx_scraper_lines_cut_total", "counter", "Lines longer than the limit");
  metrics.declare("dx_scraper_spots_total", "counter", "Spots received, by band and mode");
  metrics.declare(
    "dx_scraper_spots_stored_total",
    "counter",
    "Spots stored (the same spot from two nodes once)",
  );
  metrics.declare("dx_scraper_wwv_stored_total", "counter", "WWV and WCY announcements stored");
  metrics.declare(
    "dx_scraper_lines_refused_total",
    "counter",
    "Lines refused because the journal was full",
  );
  metrics.declare(
    "dx_scraper_rows_rejected_total",
    "counter",
    "Lines PostgreSQL refused for what they hold",
  );
  metrics.declare("dx_scraper_db_errors_total", "counter", "Failed attempts to store a batch");
  metrics.declare("dx_scraper_db_insert_seconds_sum", "counter", "Seconds spent storing batches");
  metrics.declare("dx_scraper_db_insert_seconds_count", "counter", "Batches stored");
  metrics.declare(
    "dx_scraper_connection_errors_total",
    "counter",
    "Lost or failed connections, by node",
  );
  metrics.declare("dx_scraper_cluster_connected", "gauge", "1 while logged in, by node");
  metrics.declare("dx_scraper_journal_bytes", "gauge", "Bytes that wait for the database");
  metrics.declare(
    "dx_scraper_last_spot_timestamp",
    "gauge",
    "Arrival of the last spot, seconds since the epoch",
  );
  metrics.declare("dx_scraper_uptime_seconds", "gauge", "Seconds since the start");
  metrics.declare("dx_scraper_memory_bytes", "gauge", "Resident memory");
  return metrics;
}

async function run(config: Config): Promise<void> {
  const begun = Date.now();
  const metrics = declareMetrics();
  // A counter that is not there yet looks like one that was never built.
  for (const name of [
    "spots_stored_total",
    "wwv_stored_total",
    "lines_cut_total",
    "lines_refused_total",
    "rows_rejected_total",
    "db_errors_total",
  ]) {
    metrics.add(`dx_scraper_${name}`, 0);
  }
  const manager = new ServiceManager(process.env);
  const journal = new Journal(config.stateDirectory, config.journalLimit);
  let databaseTrouble: string | null = null;
  let heard: number | null = null;
  let unreachable: number | null = null;
  let spots = 0;
  let refusedBefore = 0;

  const writer = new Writer(journal, new Database(config.keepMonths), {
    stored(stored, _rows, seconds) {
      if (databaseTrouble !== null) log(6, "database: back, the journal is being replayed");
      databaseTrouble = null;
      metrics.add("dx_scraper_spots_stored_total", stored.spots);
      metrics.add("dx_scraper_wwv_stored_total", stored.solar);
      metrics.add("dx_scraper_db_insert_seconds_sum", seconds);
      metrics.add("dx_scraper_db_insert_seconds_count", 1);
    },
    failed(error) {
      const text = error instanceof Error ? error.message || error.name : String(error);
      if (databaseTrouble !== text) log(4, `database: ${text}; lines wait in the journal`);
      databaseTrouble = text;
      metrics.add("dx_scraper_db_errors_total", 1);
    },
    rejected(record, error) {
      log(
        3,
        `database refuses a line from ${record.node}: ${String(error)}: ${JSON.stringify(record.line)}`,
      );
      metrics.add("dx_scraper_rows_rejected_total", 1);
    },
  });

  // Lines gather for a moment and go to the journal together.
  let arrived: { node: string; line: string; at: number }[] = [];
  const flush = (): void => {
    if (arrived.length === 0) return;
    const lines = arrived;
    arrived = [];
    if (journal.append(lines) > 0) writer.wake();
  };
  const flushTimer = setInterval(flush, 25);

  const accept = (node: string, framed: FramedLine): boolean => {
    const now = Date.now();
    const parsed = parseLine(framed.text, now);
    const kind = framed.cut && parsed.kind === "other" ? "broken" : parsed.kind;
    metrics.add("dx_scraper_lines_received_total", 1, { node, kind });
    if (framed.cut) metrics.add("dx_scraper_lines_cut_total", 1);
    if (kind === "other") return false;
    arrived.push({ node, line: framed.text, at: now * 1000 });
    if (arrived.length >= 500) flush();
    if (parsed.kind !== "spot") return false;
    spots++;
    metrics.add("dx_scraper_spots_total", 1, {
      band: parsed.band ?? "unknown",
      mode: parsed.mode ?? "unknown",
    });
    metrics.set("dx_scraper_last_spot_timestamp", now / 1000);
    return true;
  };

  const credentials = {
    callsign: config.callsign,
    password: config.password,
    commands: config.commands,
  };
  const timing = {
    keepalive: config.keepalive,
    spotSilence: config.spotSilence,
    longestBackoff: config.watchdog === null ? 60 : Math.min(60, config.watchdog / 2),
    connectTimeout: 15,
    loginWait: 5,
  };
  const nodes = config.nodes.map((address) => {
    const node: ClusterNode = new ClusterNode(address, credentials, timing, {
      line: (framed) => accept(node.name, framed),
      heard: () => {
        heard = Date.now();
      },
      unreachable: () => {
        unreachable = Date.now();
      },
      state: (state, why) => {
        if (state === "connected") log(6, `${node.name}: logged in as ${config.callsign}`);
        if (state === "waiting") {
          log(4, `${node.name}: ${why ?? "lost"}`);
          metrics.add("dx_scraper_connection_errors_total", 1, { node: node.name });
        }
      },
    });
    return node;
  });

  const report = (): void => {
    const connected = nodes.filter((node) => node.state === "connected").length;
    const waiting = journal.waiting();
    const refused = journal.counts().refused;
    if (refused > refusedBefore) {
      log(3, `journal: full or not writable, ${refused - refusedBefore} lines were refused`);
      metrics.add("dx_scraper_lines_refused_total", refused - refusedBefore);
      refusedBefore = refused;
    }
    const database =
      databaseTrouble === null
        ? "database ok"
        : `database away (${databaseTrouble}), ${waiting} bytes wait`;
    manager.status(
      `${connected} of ${nodes.length} nodes connected, ${spots} spots received, ${database}`,
    );
  };
  const reportTimer = setInterval(() => {
    report();
    try {
      journal.sync();
    } catch (error) {
      log(3, `journal: ${String(error)}`);
    }
  }, 1000);

  const watchdog = config.watchdog;
  const watchdogTimer =
    watchdog === null
      ? null
      : setInterval(
          () => {
            const facts = {
              now: Date.now() / 1000,
              started: begun / 1000,
              heard: heard === null ? null : heard / 1000,
              unreachable: unreachable === null ? null : unreachable / 1000,
              writer: writer.lastTurn / 1000,
            };
            if (isAlive(facts, watchdog)) manager.alive();
          },
          (watchdog * 1000) / 4,
        );

  const metricsServer =
    config.metrics === null
      ? null
      : serveMetrics(
          metrics,
          config.metrics,
          () => {
            for (const node of nodes) {
              metrics.set("dx_scraper_cluster_connected", node.state === "connected" ? 1 : 0, {
                node: node.name,
              });
            }
            metrics.set("dx_scraper_journal_bytes", journal.waiting());
            metrics.set("dx_scraper_uptime_seconds", (Date.now() - begun) / 1000);
            try {
              metrics.set("dx_scraper_memory_bytes", process.memoryUsage.rss());
            } catch {
              // No /proc in a tight sandbox.
            }
          },
          (error) => {
            log(4, `metrics: ${error.message}`);
          },
        );

  let stopping = false;
  const stop = (): void => {
    // systemd signals the launcher, which signals this process, and this process itself.
    if (stopping) return;
    stopping = true;
    manager.stopping();
    for (const timer of [flushTimer, reportTimer, watchdogTimer])
      if (timer !== null) clearInterval(timer);
    for (const node of nodes) node.stop();
    metricsServer?.close();
    metricsServer?.closeAllConnections();
    flush();
    writer.stop();
    // What the database has not taken by then is in the journal.
    setTimeout(() => {
      journal.close();
      process.exit(0);
    }, 1500).unref();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  const running = writer.run();
  for (const node of nodes) node.start();
  log(
    6,
    `dx-scraper ${SCRAPER_VERSION}: ${nodes.map((node) => node.name).join(", ")}; journal in ${config.stateDirectory}`,
  );
  manager.ready();
  report();
  await running;
  journal.close();
}

async function main(words: readonly string[]): Promise<number> {
  if (words.includes("--help")) {
    process.stdout.write(help);
    return 0;
  }
  if (words.includes("--version")) {
    process.stdout.write(`${SCRAPER_VERSION}\n`);
    return 0;
  }
  const unknown = words.find((word) => word !== "--check");
  if (unknown !== undefined) {
    process.stderr.write(`dx-scraper: "${unknown}" is not known; try --help\n`);
    return 64;
  }
  let config: Config;
  try {
    config = loadConfig();
  } catch (error) {
    log(3, error instanceof ConfigError ? error.message : String(error));
    return 78;
  }
  if (words.includes("--check")) {
    process.stdout.write(
      `settings are fine: ${config.nodes.length} node(s) as ${config.callsign}\n`,
    );
    return 0;
  }
  await run(config);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    log(3, `dx-scraper: ${String(error)}`);
    process.exitCode = 1;
  },
);
