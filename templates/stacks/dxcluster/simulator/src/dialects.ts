/** How four cluster programs talk: what they ask, how they greet, and how they print spots. Pure. */
import type { MadeSpot } from "./traffic.ts";

export const flavours = ["dxspider", "arcluster", "cccluster", "skimmer"] as const;
export type Flavour = (typeof flavours)[number];

export interface Dialect {
  readonly prompt: string;
  /** New users are asked for their name before anything else. */
  readonly asksName: boolean;
  /** Answers `show/dx`. */
  readonly tellsHistory: boolean;
  readonly welcome: (call: string, time: Date) => string;
  /** What ends every answer. */
  readonly ready: (call: string, time: Date) => string;
  /** A live spot. */
  readonly spot: (spot: MadeSpot, time: Date, grid: string) => string;
}

export const dialects: Readonly<Record<Flavour, Dialect>> = {
  dxspider: {
    prompt: "login: ",
    asksName: false,
    tellsHistory: true,
    welcome: (call) =>
      `\r\nHello ${call}, this is SIM0-1 in the lab\r\nrunning DXSpider V1.57 build 480\r\nCluster: 1 nodes, 1 local / 1 total users  Max users 3  Uptime 0 00:01\r\n`,
    ready: (call, time) => `${call} de SIM0-1 ${dateOf(time)} ${clockOf(time)}Z dxspider >\r\n`,
    spot: formatSpot,
  },
  arcluster: {
    prompt: "Welcome to the SIM0 AR-Cluster node Telnet port!\r\n\r\nPlease enter your call: ",
    asksName: true,
    tellsHistory: true,
    welcome: (call) => `\r\nWelcome ${call}!\r\nRunning AR-Cluster Version 6 Software\r\n`,
    ready: (call, time) => `${call} de SIM0 ${clockOf(time)}Z   SIM0 arc >\r\n`,
    // With set/dxsqth: the spotter's state or country after the time.
    spot: (spot, time) => `${formatSpot(spot, time)} ${spot.spotter.slice(0, 2)}`,
  },
  cccluster: {
    prompt: "Please enter your call:\r\n",
    asksName: false,
    tellsHistory: true,
    welcome: (call) =>
      `Hello ${call}.\r\nCC Cluster Software Version 3.466\r\nTo see FT8 spots you MUST enter SET/FT8\r\nNodes: 1  Local users: 1  Total users: 1\r\n`,
    ready: (call, time) => `${call} de SIM0-2 ${dateOf(time)} ${clockOf(time)}Z   CCC >\r\n`,
    spot: formatSpot,
  },
  skimmer: {
    prompt: "Welcome to the Skimmer Server Telnet cluster port!\r\nPlease enter your callsign: ",
    asksName: false,
    tellsHistory: false,
    welcome: (call) => `\r\nHello ${call}\r\n`,
    ready: (call, time) => `${call} de SKIMMER ${dateOf(time)} ${clockOf(time)}Z CwSkimmer >\r\n`,
    spot: (spot, time) =>
      formatSpot({ ...spot, spotter: `${spot.spotter.replace(/-.*/, "")}-#` }, time),
  },
};

/** The columns that all programs share. */
export function formatSpot(spot: MadeSpot, time: Date, grid = ""): string {
  const head = `DX de ${`${spot.spotter}:`.padEnd(10)}${spot.frequency.toFixed(1).padStart(8)}`;
  return `${head}  ${spot.dx.padEnd(13)}${spot.comment.slice(0, 30).padEnd(31)}${clockOf(time)}Z${grid === "" ? "" : ` ${grid}`}`;
}

/** A recorded line as if it were said now: its last `HHMMZ` becomes the minute of `time`. */
export function retime(line: string, time: Date): string {
  return line.replace(/\b[0-2]\d[0-5]\dZ(?!.*\b[0-2]\d[0-5]\dZ)/, `${clockOf(time)}Z`);
}

/** A line of `show/dx`. */
export function formatPast(spot: MadeSpot, time: Date): string {
  return `${spot.frequency.toFixed(1).padStart(9)}  ${spot.dx.padEnd(12)}${dateOf(time)} ${clockOf(time)}Z ${spot.comment.slice(0, 28).padEnd(29)}<${spot.spotter}>`;
}

/** CC Cluster after `set/ve7cc`: fields for programs. */
export function formatFields(spot: MadeSpot, time: Date): string {
  const comment = spot.comment.replaceAll("^", " ");
  return `CC11^${spot.frequency.toFixed(1)}^${spot.dx}^${dateOf(time).padStart(11, "0")}^${clockOf(time)}Z^${comment}^${spot.spotter}^226^226^SIM0-2^8^5^7^4^^^^^^^`;
}

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** `4-Nov-2026`, with a blank before a single digit. */
function dateOf(time: Date): string {
  return `${String(time.getUTCDate()).padStart(2)}-${months[time.getUTCMonth()] ?? ""}-${time.getUTCFullYear()}`;
}

function clockOf(time: Date): string {
  return time.toISOString().slice(11, 16).replace(":", "");
}
