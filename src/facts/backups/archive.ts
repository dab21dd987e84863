import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";
import type { BackupReport } from "./backup.ts";

/** How far a stack's WAL is in its repositories. */
export interface ArchiveFact {
  /** Seconds of changes that would be lost with the host now, at most; absent where nobody can say. */
  readonly exposed?: number;
  /** Whole segments that wait to be archived. */
  readonly waiting?: number;
  /** Seconds since the newest of what is archived. */
  readonly behind?: number;
  /** Bytes of whole segments that wait, since how many seconds, and bytes that are free where they pile up; only where archiving fails. */
  readonly pile?: { readonly bytes: number; readonly seconds: number; readonly free: number };
  /** The newest attempt failed. */
  readonly failure?: { readonly time: number; readonly segment: string; readonly cause?: string };
}

/**
 * Stacks by name. What cannot be archived PostgreSQL keeps, so nothing is lost before its disk is full.
 */
export const archiveFacts: FactSource<ArchiveFact> = {
  name: "backup-archive",
  lane: "postgres",
  script: (stacks) => sh`for stack in ${stacks}; do
  f=/usr/local/lib/hostkit/$stack/backup-postgres
  [ -x "$f" ] && "$f" archiving | head -c 4096 | sed "s/^/$stack /"
done`,
  parse(stdout) {
    const found = new Map<string, ArchiveFact>();
    for (const line of stdout.split("\n")) {
      const [, stack = "", rest = ""] = /^(\S+) (.*)$/.exec(line) ?? [];
      const known = found.get(stack);
      const fact = readArchive(rest);
      const room = /^room (\d+) (\d+)$/.exec(rest);
      if (fact !== undefined) found.set(stack, fact);
      else if (known?.waiting !== undefined && known.behind !== undefined && room !== null)
        found.set(stack, {
          ...known,
          pile: {
            bytes: known.waiting * Number(room[2]),
            seconds: known.behind,
            free: Number(room[1]),
          },
        });
      else if (known?.failure !== undefined && rest.startsWith("ERROR"))
        found.set(stack, { ...known, failure: { ...known.failure, cause: rest } });
    }
    return found;
  },
};

const segmentHeader = 40;

function readArchive(text: string): ArchiveFact | undefined {
  // What a host says that was provisioned before it could say more.
  const old = /^(\d+) ([0-9A-F]{24}\S*)$/.exec(text);
  if (old !== null) return { failure: { time: Number(old[1]), segment: old[2] ?? "" } };
  const match = /^wal (\d+) (\d+) (\S+) (\d+) (\d+) (\d+) (\d+)$/.exec(text);
  if (match === null) return undefined;
  const [now, failed] = [Number(match[1]), Number(match[2])];
  const [waiting, since, timeout, filled] = match.slice(4, 8).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const failure = failed === 0 ? {} : { failure: { time: failed, segment: match[3] ?? "" } };
  if (since === 0) return { waiting, ...failure };
  const isIdle = waiting === 0 && filled <= segmentHeader;
  // With nothing to be archived a segment that holds a change is switched after the timeout (archive_timeout).
  const most = waiting === 0 && failed === 0 && timeout > 0 ? timeout : Number.POSITIVE_INFINITY;
  const exposed = isIdle ? 0 : Math.min(Math.max(0, now - since), most);
  return { exposed, waiting, behind: Math.max(0, now - since), ...failure };
}

/**
 * An attempt that failed, as the report of a job `postgres-wal`.
 * @param failure its `time` in seconds since the epoch
 * @param outlook what will come of it, for a person
 */
export function describeArchiveFailure(
  { time, segment, cause }: NonNullable<ArchiveFact["failure"]>,
  outlook?: string,
): BackupReport {
  const why = cause ?? "see /var/log/postgresql";
  return {
    job: "postgres-wal",
    inputs: "",
    started: time,
    finished: time,
    result: "archive-failed",
    message: `WAL ${segment} could not be archived, it piles up on the host: ${why}${outlook === undefined ? "" : `; ${outlook}`}`,
  };
}
