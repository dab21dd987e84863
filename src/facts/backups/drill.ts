import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** How one drill of one repository went; a line of the host's records. */
export interface DrillRecord {
  readonly tool: "postgres" | "files";
  /** Its name in the manifest. */
  readonly repository: string;
  /** The backup that was restored: pgBackRest's label or restic's short snapshot id; "" where none was found. */
  readonly label: string;
  /** Seconds since the epoch. */
  readonly started: number;
  readonly finished: number;
  /** "interrupted": it was begun and did not come to its end. */
  readonly outcome: "ok" | "failed" | "interrupted";
  /** What was wrong first; "" for nothing. */
  readonly cause: string;
  /** Seconds until the data was there again, and until all that came after the backup was too. */
  readonly restored?: number;
  readonly replayed?: number;
  /** Segments of WAL that were replayed. */
  readonly segments?: number;
  /** Seconds that looking into it took. */
  readonly checked?: number;
  /** What was restored. */
  readonly bytes?: number;
  /** When the newest change was made that came back, seconds since the epoch; 0: there is none after the backup. */
  readonly newest?: number;
  /** How many of the manifest's queries answered true. */
  readonly questions?: number;
  /** How many files were read, and how many of them were compared with those they were made from. */
  readonly files?: number;
  readonly same?: number;
  /** Whether pg_amcheck and pg_checksums looked. */
  readonly amcheck?: boolean;
  readonly checksums?: boolean;
  /** Of an append-only repository: whether removing and changing was refused to the host; false: nothing was old enough to try it on. */
  readonly refuses?: boolean;
}

/** What a host knows of the drills of one stack. */
export interface DrillFact {
  /** Oldest first. */
  readonly records: readonly DrillRecord[];
  /** Drills that are going on; those that were killed are among the records, as interrupted. */
  readonly running: readonly { readonly tool: string; readonly repository: string }[];
  /** Since when a tool's drills have their times, seconds since the epoch. */
  readonly since: Readonly<Record<string, number>>;
}

/** Stacks by name. */
export const drillFacts: FactSource<DrillFact> = {
  name: "backup-drill",
  // What stands in the folders is PostgreSQL's user's: no link is followed, and no more is read than fits.
  script: (stacks) => sh`for stack in ${stacks}; do
  d=/var/lib/hostkit/$stack/backups
  for t in /etc/systemd/system/"$stack"-drill-*.timer; do
    n=\${t##*-}
    [ ! -f "$t" ] || echo "$stack since \${n%.timer} $(stat -c %Y "$t")"
  done
  for f in "$d"/*/drills/*.begun; do
    l=\${f%/*}/lock
    [ -f "$f" ] && [ ! -L "$f" ] && [ -f "$l" ] && [ ! -L "$l" ] || continue
    w=running
    if flock -s -n "$l" true; then w=ended; fi
    echo "$stack begun $(head -c 20 "$f" | tr -cd 0-9) $w $f"
  done
  for f in "$d"/*/drills/*.jsonl; do
    [ -f "$f" ] && [ ! -L "$f" ] || continue
    tail -n 20 "$f" | head -c 32768 | sed "s/^/$stack record /"
    echo
  done
done`,
  parse(stdout, stacks) {
    const found = new Map(stacks.map((stack) => [stack, emptyFact()]));
    for (const line of stdout.split("\n")) {
      const match = /^(\S+) (since|begun|record) (.*)$/.exec(line);
      const fact = found.get(match?.[1] ?? "");
      if (fact !== undefined) readLine(fact, match?.[2] ?? "", match?.[3] ?? "");
    }
    for (const fact of found.values())
      fact.records.sort((left, right) => left.started - right.started);
    return found;
  },
};

interface Draft {
  records: DrillRecord[];
  running: { tool: string; repository: string }[];
  since: Record<string, number>;
}

function emptyFact(): Draft {
  return { records: [], running: [], since: {} };
}

function readLine(fact: Draft, word: string, rest: string): void {
  if (word === "record") {
    const record = readDrillRecord(rest);
    if (record !== undefined) fact.records.push(record);
    return;
  }
  const since = /^([a-z]+) (\d{1,12})$/.exec(rest);
  if (word === "since" && since !== null) fact.since[since[1] ?? ""] = Number(since[2]);
  const begun = /^(\d{1,12}) (running|ended) \S*\/(postgres|files)\/drills\/([\w.-]+)\.begun$/.exec(
    rest,
  );
  if (word !== "begun" || begun === null) return;
  const [, at = "", state, tool, repository = ""] = begun;
  if (state === "running") fact.running.push({ tool: tool ?? "", repository });
  else
    fact.records.push({
      tool: tool === "files" ? "files" : "postgres",
      ...{ repository, label: "", started: Number(at), finished: Number(at) },
      ...{ outcome: "interrupted", cause: "it was killed, or the host went down" },
    });
}

const outcomes: readonly string[] = ["ok", "failed", "interrupted"];

/** One line of records; undefined where it cannot be read. */
export function readDrillRecord(text: string): DrillRecord | undefined {
  let value: Readonly<Record<string, unknown>>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { tool, repository, label, started, finished, outcome, cause } = value;
  const isWhole =
    (tool === "postgres" || tool === "files") &&
    [repository, label, cause].every((one) => typeof one === "string") &&
    [started, finished].every(isAmount) &&
    outcomes.includes(String(outcome));
  if (!isWhole) return undefined;
  const kept = Object.entries(value).filter(
    ([key, one]) => (amounts.has(key) && isAmount(one)) || (flags.has(key) && isFlag(one)),
  );
  return {
    ...({ tool, repository, label, started, finished, outcome, cause } as DrillRecord),
    ...Object.fromEntries(kept),
  };
}

const amounts = new Set([
  ...[
    "restored",
    "replayed",
    "segments",
    "checked",
    "bytes",
    "newest",
    "questions",
    "files",
    "same",
  ],
]);
const flags = new Set(["amcheck", "checksums", "refuses"]);

function isAmount(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isFlag(value: unknown): boolean {
  return typeof value === "boolean";
}
