import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

const program = path.resolve(import.meta.dirname, "../../scripts/bench-deploy.d/visitors.mjs");

/** Streams of one kind on one site: each that ends is opened anew. */
export interface StreamsSeen {
  readonly opened: number;
  readonly open: number;
  /** Ended by the program's own goodbye. */
  readonly closed: number;
  /** Ended otherwise: milliseconds since the beginning. */
  readonly cut: readonly number[];
}

export interface SiteSeen {
  readonly requests: { readonly count: number; readonly p99: number };
  readonly failures: readonly { readonly why: string }[];
  /** Which answers there were, and when the first came: milliseconds since the epoch. */
  readonly versions: Readonly<Record<string, number>>;
  readonly websockets: StreamsSeen;
  readonly events: StreamsSeen;
  readonly slow: { readonly done: number; readonly failed: readonly { readonly why: string }[] };
}

/** What visitors of a site do: requests a second, streams that stay open, requests that take so long. */
export interface Visits {
  readonly name: string;
  readonly rate: number;
  readonly websockets: number;
  readonly events: number;
  readonly slow: number;
  readonly slowSeconds: number;
}

/** Visitors of several sites, in a process of their own. */
export interface StreamVisitors {
  look(): Promise<SiteSeen[]>;
  stop(): Promise<SiteSeen[]>;
}

/** Lets visitors in; they stay until they are told to go. */
export function startVisitors(address: string, sites: readonly Visits[]): StreamVisitors {
  const child = spawn(process.execPath, [program, JSON.stringify({ address, sites })], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const next = async (): Promise<SiteSeen[]> => {
    const [line] = (await once(lines, "line")) as [string];
    return JSON.parse(line) as SiteSeen[];
  };
  return {
    async look() {
      const answer = next();
      child.stdin.write("?\n");
      return answer;
    },
    async stop() {
      const answer = next();
      child.stdin.end();
      return answer;
    },
  };
}
