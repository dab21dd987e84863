/** Settings: the environment first, then /etc/dx-scraper/dx-scraper.conf, then defaults. */

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** One connection: the first address that answers is used, the others stand in for it. */
export type NodeChoice = readonly [NodeAddress, ...NodeAddress[]];

export interface Config {
  readonly nodes: readonly NodeChoice[];
  readonly callsign: string;
  readonly password: string | null;
  readonly commands: readonly string[];
  /** Past spots to ask a node for after each log-in; 0 asks for none. */
  readonly catchUp: number;
  /** Where the journal lives. */
  readonly stateDirectory: string;
  /** Bytes the journal may take on disk. */
  readonly journalLimit: number;
  /** Seconds between keepalives; a node that is silent for three of them is called again. */
  readonly keepalive: number;
  /** Seconds without a spot after which a node that still answers is called again. */
  readonly spotSilence: number;
  /** Whole months of spots to keep; 0 keeps all. */
  readonly keepMonths: number;
  readonly metrics: NodeAddress | null;
  /** Seconds systemd waits for a sign of life; null outside systemd. */
  readonly watchdog: number | null;
}

export type Settings = Readonly<Record<string, string | undefined>>;

/** `KEY=value` lines; `#` begins a comment line; quotes round a value are taken off. */
export function parseSettingsFile(text: string): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^\s*([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (match === null) continue;
    const [, name = "", value = ""] = match;
    settings[name] = value.replace(/^(["'])(.*)\1$/, "$2");
  }
  return settings;
}

export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** All problems at once in one ConfigError. */
export function readConfig(environment: Settings, file: Settings, password: string | null): Config {
  const problems: string[] = [];
  const get = (name: string): string | undefined => {
    const value = environment[name] ?? file[name];
    return value === undefined || value === "" ? undefined : value;
  };
  const number = (name: string, fallback: number, low: number, high: number): number => {
    const text = get(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (Number.isFinite(value) && value >= low && value <= high) return value;
    problems.push(`${name}: a number from ${low} to ${high} is expected, not "${text}"`);
    return fallback;
  };

  const nodes: NodeChoice[] = [];
  for (const word of (get("DX_NODES") ?? "").split(/[\s,]+/).filter((part) => part !== "")) {
    const choice: NodeAddress[] = [];
    for (const part of word.split("|")) {
      const address = parseAddress(part, 7300);
      if (address === null) problems.push(`DX_NODES: "${part}" is no host:port`);
      else choice.push(address);
    }
    const [first, ...others] = choice;
    if (first !== undefined) nodes.push([first, ...others]);
  }
  if (nodes.length === 0 && problems.length === 0) {
    problems.push("DX_NODES: name at least one cluster node, as host:port, separated by commas");
  }

  const callsign = (get("DX_CALLSIGN") ?? get("DX_LOGIN") ?? "").toUpperCase();
  if (callsign === "") problems.push("DX_CALLSIGN: the callsign to log in with is missing");
  else if (!/^(?=.*\d)(?=.*[A-Z])[A-Z0-9/]{3,15}(?:-\d{1,2})?$/.test(callsign)) {
    problems.push(`DX_CALLSIGN: "${callsign}" is no callsign`);
  }

  const metricsText = get("DX_METRICS");
  const metrics = metricsText === undefined ? null : parseAddress(metricsText, 9465);
  if (metricsText !== undefined && metrics === null)
    problems.push(`DX_METRICS: "${metricsText}" is no host:port`);

  const watchdogMicros = Number(environment["WATCHDOG_USEC"] ?? "");
  const watchdog = watchdogMicros > 0 ? watchdogMicros / 1e6 : null;
  const keepalive = number("DX_KEEPALIVE", Math.min(30, (watchdog ?? 90) / 4), 0.1, 3600);

  const config: Config = {
    nodes,
    callsign,
    password: password ?? get("DX_PASSWORD") ?? null,
    commands: (get("DX_COMMANDS") ?? "")
      .split(";")
      .map((word) => word.trim())
      .filter((word) => word !== ""),
    catchUp: Math.floor(number("DX_CATCH_UP", 100, 0, 100_000)),
    stateDirectory:
      get("DX_STATE_DIR") ?? environment["STATE_DIRECTORY"]?.split(":")[0] ?? "/var/lib/dx-scraper",
    journalLimit: number("DX_JOURNAL_LIMIT_MB", 512, 1, 1_000_000) * 1024 * 1024,
    keepalive,
    spotSilence: number("DX_SPOT_SILENCE", 900, 1, 86_400),
    keepMonths: number("DX_KEEP_MONTHS", 0, 0, 1200),
    metrics,
    watchdog,
  };
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return config;
}

/** `host:port`, `[ipv6]:port`, or `host` with the default port. */
export function parseAddress(text: string, defaultPort: number): NodeAddress | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/i.exec(text.trim());
  if (match === null) return null;
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port < 1 || port > 65_535) return null;
  return { host: match[1] ?? match[2] ?? "", port };
}
