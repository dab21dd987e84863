/** The running scraper: nodes → journal → database, and what it tells systemd and Prometheus about that. */
import type * as http from "node:http";
import { ClusterNode } from "./cluster-node.ts";
import type { Config } from "./config.ts";
import type { Database } from "./database.ts";
import { Journal } from "./journal.ts";
import { isAlive } from "./liveness.ts";
import type { Log } from "./log.ts";
import { serveMetrics } from "./metrics.ts";
import type { HeardLine } from "./node-call.ts";
import { createScraperMetrics } from "./scraper-metrics.ts";
import { ServiceManager } from "./service-manager.ts";
import { Writer } from "./writer.ts";

/** Lines gather this long and go to the journal together. */
const gatherMilliseconds = 25;
/** Or until there are this many. */
const gatherLines = 500;
/** After a stop the database may finish its batch; the rest is in the journal. */
const stopMilliseconds = 1500;

interface Arrived {
  readonly node: string;
  readonly line: string;
  readonly at: number;
}

export class Scraper {
  readonly #config: Config;
  readonly #log: Log;
  readonly #metrics = createScraperMetrics();
  readonly #manager: ServiceManager;
  readonly #journal: Journal;
  readonly #writer: Writer;
  readonly #nodes: readonly ClusterNode[];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #begun = Date.now();
  #metricsServer: http.Server | null = null;
  #arrived: Arrived[] = [];
  #spots = 0;
  #refused = 0;
  #heard: number | null = null;
  #unreachable: number | null = null;
  #databaseTrouble: string | null = null;
  #stopping = false;

  constructor(
    config: Config,
    database: Database,
    environment: Readonly<Record<string, string | undefined>>,
    log: Log,
  ) {
    this.#config = config;
    this.#log = log;
    this.#manager = new ServiceManager(environment, () => {
      this.stop();
    });
    this.#journal = new Journal(config.stateDirectory, config.journalLimit);
    this.#writer = this.#makeWriter(database);
    this.#nodes = config.nodes.map((choice) => this.#makeNode(choice));
  }

  /** Resolves after `stop`, when the last batch is stored or left to the journal. */
  async run(): Promise<void> {
    const { metrics, watchdog, stateDirectory } = this.#config;
    const every = (milliseconds: number, act: () => void): void => {
      this.#timers.push(setInterval(act, milliseconds));
    };
    every(gatherMilliseconds, () => {
      this.#flush();
    });
    every(1000, () => {
      this.#report();
      this.#sync();
    });
    if (watchdog !== null) {
      every((watchdog * 1000) / 4, () => {
        if (this.#isAlive(watchdog)) this.#manager.alive();
      });
    }
    if (metrics !== null) {
      this.#metricsServer = serveMetrics(
        this.#metrics,
        metrics,
        () => {
          this.#refreshGauges();
        },
        (error) => {
          this.#log("warning", `metrics: ${error.message}`);
        },
      );
    }
    const writing = this.#writer.run();
    for (const node of this.#nodes) node.start();
    this.#log(
      "info",
      `listening to ${this.#nodes.map((node) => node.names.join(" or ")).join(", ")}; journal in ${stateDirectory}`,
    );
    this.#manager.ready();
    this.#report();
    await writing;
    this.#journal.close();
  }

  /** May be called more than once: systemd signals both the launcher, which passes it on, and this process. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#manager.stopping();
    for (const timer of this.#timers) clearInterval(timer);
    for (const node of this.#nodes) node.stop();
    this.#metricsServer?.close();
    this.#metricsServer?.closeAllConnections();
    this.#flush();
    this.#writer.stop();
    setTimeout(() => {
      this.#journal.close();
      process.exit(0);
    }, stopMilliseconds).unref();
  }

  #makeWriter(database: Database): Writer {
    return new Writer(this.#journal, database, {
      stored: (stored, _rows, seconds) => {
        if (this.#databaseTrouble !== null)
          this.#log("info", "database: back, the journal is being replayed");
        this.#databaseTrouble = null;
        this.#metrics.add("spots_stored_total", stored.spots);
        this.#metrics.add("wwv_stored_total", stored.solar);
        this.#metrics.add("spots_recovered_total", stored.recovered);
        if (stored.recovered > 0)
          this.#log("info", `${stored.recovered} missed spots recovered from a node's history`);
        this.#metrics.add("db_insert_seconds_sum", seconds);
        this.#metrics.add("db_insert_seconds_count", 1);
      },
      failed: (error) => {
        const text = error instanceof Error ? error.message || error.name : String(error);
        if (this.#databaseTrouble !== text)
          this.#log("warning", `database: ${text}; lines wait in the journal`);
        this.#databaseTrouble = text;
        this.#metrics.add("db_errors_total", 1);
      },
      rejected: (record, error) => {
        this.#log(
          "error",
          `database refuses a line from ${record.node}: ${String(error)}: ${JSON.stringify(record.line)}`,
        );
        this.#metrics.add("rows_rejected_total", 1);
      },
    });
  }

  #makeNode(choice: Config["nodes"][number]): ClusterNode {
    const { callsign, password, commands, catchUp, keepalive, spotSilence, watchdog } =
      this.#config;
    const timing = {
      keepalive,
      spotSilence,
      // Calls must be frequent enough to show the watchdog that somebody is trying.
      longestBackoff: watchdog === null ? 60 : Math.min(60, watchdog / 2),
      connectTimeout: 15,
      loginWait: 5,
    };
    const credentials = { callsign, password, commands };
    const node: ClusterNode = new ClusterNode(choice, credentials, catchUp, timing, {
      line: (line) => {
        this.#accept(node.name, line);
      },
      heard: () => {
        this.#heard = Date.now();
      },
      unreachable: () => {
        this.#unreachable = Date.now();
      },
      state: (state, why) => {
        if (state === "connected") this.#log("info", `${node.name}: logged in as ${callsign}`);
        if (state !== "waiting") return;
        this.#log("warning", `${node.name}: ${why ?? "lost"}`);
        this.#metrics.add("connection_errors_total", 1, { node: node.name });
      },
    });
    return node;
  }

  /** Banners and prompts are counted and let go; everything else goes to the journal. */
  #accept(node: string, line: HeardLine): void {
    const { parsed } = line;
    const kind = line.cut && parsed.kind === "other" ? "broken" : parsed.kind;
    this.#metrics.add("lines_received_total", 1, { node, kind });
    if (line.cut) this.#metrics.add("lines_cut_total", 1);
    if (kind === "other") return;
    this.#arrived.push({ node, line: line.text, at: line.at * 1000 });
    if (this.#arrived.length >= gatherLines) this.#flush();
    if (parsed.kind !== "spot" || parsed.replayed) return;
    this.#spots++;
    this.#metrics.add("spots_total", 1, {
      band: parsed.band ?? "unknown",
      mode: parsed.mode ?? "unknown",
    });
    this.#metrics.set("last_spot_timestamp", line.at / 1000);
  }

  #flush(): void {
    const lines = this.#arrived;
    this.#arrived = [];
    if (this.#journal.append(lines) > 0) this.#writer.wake();
  }

  #sync(): void {
    try {
      this.#journal.sync();
    } catch (error) {
      this.#log("error", `journal: ${String(error)}`);
    }
  }

  #report(): void {
    const { waiting, refused } = this.#journal.counts();
    if (refused > this.#refused) {
      this.#log(
        "error",
        `journal: full or not writable, ${refused - this.#refused} lines were refused`,
      );
      this.#metrics.add("lines_refused_total", refused - this.#refused);
      this.#refused = refused;
    }
    const connected = this.#nodes.filter((node) => node.state === "connected").length;
    const database =
      this.#databaseTrouble === null
        ? "database ok"
        : `database away (${this.#databaseTrouble}), ${waiting} bytes wait`;
    this.#manager.status(
      `${connected} of ${this.#nodes.length} nodes connected, ${this.#spots} spots received, ${database}`,
    );
  }

  #isAlive(watchdog: number): boolean {
    const seconds = (milliseconds: number | null): number | null =>
      milliseconds === null ? null : milliseconds / 1000;
    return isAlive(
      {
        now: Date.now() / 1000,
        started: this.#begun / 1000,
        heard: seconds(this.#heard),
        unreachable: seconds(this.#unreachable),
        writer: this.#writer.lastTurn / 1000,
      },
      watchdog,
    );
  }

  #refreshGauges(): void {
    for (const node of this.#nodes) {
      for (const name of node.names) {
        const connected = name === node.name && node.state === "connected";
        this.#metrics.set("cluster_connected", connected ? 1 : 0, { node: name });
      }
    }
    this.#metrics.set("journal_bytes", this.#journal.waiting());
    this.#metrics.set("uptime_seconds", (Date.now() - this.#begun) / 1000);
    try {
      this.#metrics.set("memory_bytes", process.memoryUsage.rss());
    } catch {
      // No /proc in a tight sandbox.
    }
  }
}
