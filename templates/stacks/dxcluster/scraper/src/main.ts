/** dx-scraper: DX cluster nodes → PostgreSQL. Words, settings and exit codes. */
import * as fs from "node:fs";
import * as path from "node:path";
import { type Config, ConfigError, parseSettingsFile, readConfig } from "./config.ts";
import { Database } from "./database.ts";
import { log } from "./log.ts";
import { Scraper } from "./scraper.ts";

declare const SCRAPER_VERSION: string;

const help = `dx-scraper ${SCRAPER_VERSION}: stores the spots of DX cluster nodes in PostgreSQL.

Usage: dx-scraper [--check] [--version] [--help]

Settings come from the environment, then from /etc/dx-scraper/dx-scraper.conf:
  DX_NODES        host:port of each cluster node, separated by commas (required)
  DX_CALLSIGN     callsign to log in with (required)
  PGHOST PGDATABASE PGUSER   where PostgreSQL is, as for psql
See dx-scraper(8) for the others.
`;

/** sysexits.h: EX_USAGE and EX_CONFIG. */
const exitUsage = 64;
const exitConfig = 78;

function loadConfig(environment: NodeJS.ProcessEnv): Config {
  const settings = readIfThere(environment["DX_CONFIG"] ?? "/etc/dx-scraper/dx-scraper.conf");
  const credentials = environment["CREDENTIALS_DIRECTORY"];
  const secret =
    environment["DX_PASSWORD_FILE"] ??
    (credentials === undefined ? undefined : path.join(credentials, "DX_PASSWORD"));
  const password = secret === undefined ? null : readIfThere(secret);
  return readConfig(
    environment,
    parseSettingsFile(settings ?? ""),
    password === null ? null : password.trim(),
  );
}

function readIfThere(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
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
    return exitUsage;
  }
  let config: Config;
  try {
    config = loadConfig(process.env);
  } catch (error) {
    log("error", error instanceof ConfigError ? error.message : String(error));
    return exitConfig;
  }
  if (words.includes("--check")) {
    process.stdout.write(
      `settings are fine: ${config.nodes.length} node(s) as ${config.callsign}\n`,
    );
    return 0;
  }
  const scraper = new Scraper(config, new Database(config.keepMonths), process.env, log);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      scraper.stop();
    });
  }
  await scraper.run();
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    log("error", `dx-scraper: ${String(error)}`);
    process.exitCode = 1;
  },
);
