import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** How one backup went; written on the host when it ended. */
export interface BackupReport {
  /** `postgres-full`, `files` … */
  readonly job: string;
  /** Hash of what the repositories were when it ran. */
  readonly inputs: string;
  /** Seconds since the epoch. */
  readonly started: number;
  readonly finished: number;
  /** systemd's: "success", "exit-code", "timeout", "signal" … systemd.exec(5) $SERVICE_RESULT */
  readonly result: string;
  /** Last lines of errors and warnings; "" for none. */
  readonly message: string;
  /** What the repositories grew by, in all; absent where it is not known. */
  readonly bytes?: number;
  /** Seconds for which services stood still, by the volumes that were copied meanwhile: "data uploads". */
  readonly pauses?: Readonly<Record<string, number>>;
}

/** The reports of one stack, by job. */
export interface BackupFact {
  readonly latest: Readonly<Record<string, BackupReport>>;
  readonly succeeded: Readonly<Record<string, BackupReport>>;
}

/** Stacks by name. */
export const backupFacts: FactSource<BackupFact> = {
  name: "backup",
  // A line of each file behind its path; the shell itself reads byte by byte.
  script: (stacks) => sh`set --
for stack in ${stacks}; do
  for f in /var/lib/hostkit/"$stack"/backups/*/*.json; do [ ! -f "$f" ] || [ -L "$f" ] || set -- "$@" "$f"; done
done
[ $# -eq 0 ] || grep -m 1 '^{' /dev/null "$@"`,
  parse(stdout) {
    const found = new Map<
      string,
      { latest: Record<string, BackupReport>; succeeded: Record<string, BackupReport> }
    >();
    for (const line of stdout.split("\n")) {
      const match =
        /^\/var\/lib\/hostkit\/([^/]+)\/backups\/[^/]+\/([a-z-]+?)(\.success)?\.json:(\{.*\})$/.exec(
          line,
        );
      if (match === null) continue;
      const [, stack, job, succeeded, text] = match as unknown as [
        string,
        string,
        string,
        string | undefined,
        string,
      ];
      const report = readBackupReport(text);
      if (report === undefined) continue;
      const fact = found.get(stack) ?? { latest: {}, succeeded: {} };
      (succeeded === undefined ? fact.latest : fact.succeeded)[job] = report;
      found.set(stack, fact);
    }
    return found;
  },
};

/** One report file; undefined where it cannot be read. */
export function readBackupReport(text: string): BackupReport | undefined {
  try {
    const { job, inputs, started, finished, result, message, answer, quiesced } = JSON.parse(
      text,
    ) as BackupReport & { answer: unknown; quiesced?: readonly QuiesceReport[] };
    const bytes = Array.isArray(answer) ? sizeOfNewest(answer) : sizeOfSummaries(answer);
    return {
      job,
      inputs,
      started,
      finished,
      result,
      message,
      ...(bytes === undefined ? {} : { bytes }),
      ...readPauses(quiesced ?? []),
    };
  } catch {
    return undefined;
  }
}

/** How one group of volumes was copied. */
interface QuiesceReport {
  readonly volumes: string;
  /** Absent where nothing stood still. */
  readonly pause?: number;
}

function readPauses(quiesced: readonly QuiesceReport[]): Pick<BackupReport, "pauses"> {
  const pauses = quiesced.flatMap(({ volumes, pause }) =>
    typeof pause === "number" ? [[String(volumes), pause] as const] : [],
  );
  return pauses.length === 0 ? {} : { pauses: Object.fromEntries(pauses) };
}

interface PgbackrestBackup {
  readonly label: string;
  readonly type: "full" | "diff" | "incr";
  readonly timestamp: { readonly start: number; readonly stop: number };
  readonly archive?: { readonly start: string | null; readonly stop: string | null };
  readonly database?: { readonly "repo-key"?: number };
  readonly info?: {
    readonly size?: number;
    readonly repository?: { readonly delta?: number; readonly size?: number };
  };
  readonly error?: boolean | null;
}

interface PgbackrestStanza {
  readonly backup?: readonly PgbackrestBackup[];
}

/** `pgbackrest info`: the newest backup of every repository. */
function sizeOfNewest(stanzas: readonly PgbackrestStanza[]): number | undefined {
  const newest = new Map<number, PgbackrestBackup>();
  for (const backup of stanzas.flatMap((stanza) => stanza.backup ?? [])) {
    const key = backup.database?.["repo-key"] ?? 1;
    const known = newest.get(key);
    if (known === undefined || known.timestamp.stop <= backup.timestamp.stop)
      newest.set(key, backup);
  }
  const sizes = [...newest.values()].flatMap((backup) => backup.info?.repository?.delta ?? []);
  return sizes.length === 0 ? undefined : sizes.reduce((sum, size) => sum + size, 0);
}

/** `restic backup --json`: a summary for each repository. */
function sizeOfSummaries(answer: unknown): number | undefined {
  const summaries = Object.values(
    (answer ?? {}) as Record<string, { data_added_packed?: number; data_added?: number } | null>,
  );
  const sizes = summaries.flatMap((one) => one?.data_added_packed ?? one?.data_added ?? []);
  return sizes.length === 0 ? undefined : sizes.reduce((sum, size) => sum + size, 0);
}

/** One backup that could be restored. */
export interface ListedBackup {
  readonly tool: "postgres" | "files";
  /** pgBackRest: its number; restic: the repository's name. */
  readonly repository: string;
  /** pgBackRest's label or restic's short snapshot id. */
  readonly label: string;
  /** "full", "diff", "incr", or "snapshot". */
  readonly type: string;
  /** Seconds since the epoch: when it was finished (pgBackRest) or taken (restic). */
  readonly time: number;
  /** What it restores to, where the tool says so. */
  readonly bytes?: number;
  readonly paths?: readonly string[];
  readonly hasErrors: boolean;
}

/** Stacks by name: every backup in every repository, the newest first. Asks remote repositories too, so it may take seconds. */
export const backupListFacts: FactSource<readonly ListedBackup[]> = {
  name: "backup-list",
  script: (stacks) => sh`for stack in ${stacks}; do
  d=/usr/local/lib/hostkit/$stack
  [ -x "$d/backup-postgres" ] && echo "$stack postgres $(setpriv --reuid=postgres --regid=postgres --init-groups "$d/backup-postgres" list | tr -d ${"\\n"})"
  [ -x "$d/backup-files" ] && "$d/backup-files" list | while IFS= read -r line; do echo "$stack files $line"; done
done`,
  parse(stdout, stacks) {
    const found = new Map<string, ListedBackup[]>(stacks.map((stack) => [stack, []]));
    for (const line of stdout.split("\n")) {
      const match = /^(\S+) (?:(postgres)|files (\S+)) (\[.*\])$/.exec(line);
      if (match === null) continue;
      const [, stack, isPostgres, repository, text] = match as unknown as [
        string,
        string,
        string | undefined,
        string | undefined,
        string,
      ];
      const list = found.get(stack);
      if (list === undefined) continue;
      list.push(
        ...(isPostgres === undefined
          ? readSnapshots(repository ?? "", text)
          : readPgbackrestInfo(text)),
      );
    }
    for (const list of found.values()) list.sort((a, b) => b.time - a.time);
    return found;
  },
};

function readPgbackrestInfo(text: string): ListedBackup[] {
  const stanzas = parseJson<readonly PgbackrestStanza[]>(text) ?? [];
  return stanzas
    .flatMap((stanza) => stanza.backup ?? [])
    .map((backup) => ({
      tool: "postgres",
      repository: String(backup.database?.["repo-key"] ?? 1),
      label: backup.label,
      type: backup.type,
      time: backup.timestamp.stop,
      ...(backup.info?.size === undefined ? {} : { bytes: backup.info.size }),
      hasErrors: backup.error === true,
    }));
}

interface Snapshot {
  readonly short_id: string;
  readonly time: string;
  readonly paths: readonly string[];
  readonly summary?: { readonly total_bytes_processed?: number };
}

function readSnapshots(repository: string, text: string): ListedBackup[] {
  return (parseJson<readonly Snapshot[]>(text) ?? []).map((snapshot) => ({
    tool: "files",
    repository,
    label: snapshot.short_id,
    type: "snapshot",
    time: Math.floor(Date.parse(snapshot.time) / 1000),
    ...(snapshot.summary?.total_bytes_processed === undefined
      ? {}
      : { bytes: snapshot.summary.total_bytes_processed }),
    paths: snapshot.paths,
    hasErrors: false,
  }));
}

function parseJson<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
