import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";
import { readRestorePoint, restorePointsFile } from "./restore-points.ts";
import type { RestorePoint } from "./restore-points.ts";
import { asPostgres, dataDirectory, locateData, programDirectory, psqlProgram } from "./psql.ts";

/** One backup of PostgreSQL that can be brought back, as `pgbackrest info` tells it. */
export interface BackupSet {
  /** pgBackRest's number of the repository, from 1. */
  readonly repository: number;
  /** `20261127-200000F_20261127-210000I` */
  readonly label: string;
  readonly type: "full" | "diff" | "incr";
  /** Seconds since the epoch. */
  readonly start: number;
  readonly stop: number;
  /** The WAL segments that make it whole: `000000010000000000000005`. */
  readonly firstWal: string;
  readonly lastWal: string;
  /** Where it is whole: `0/5000100`; absent in backups of old versions. */
  readonly stopLsn?: string;
  /** What it restores to. */
  readonly bytes: number;
  /** Pages of it were damaged when it was made. */
  readonly hasErrors: boolean;
  /** What its WAL is archived as: `17-1`, the major version first. */
  readonly archive: string;
}

/** A WAL segment in a repository and when it got there (seconds since the epoch). */
export interface ArchivedSegment {
  readonly repository: number;
  /** pgBackRest's name for the WAL of one cluster: `17-1`. */
  readonly archive: string;
  readonly name: string;
  readonly time: number;
}

/** Where a timeline left its parent. */
export interface TimelineSwitch {
  readonly timeline: number;
  readonly lsn: string;
}

/** How far a restore has come, as the host wrote it down. */
export interface RestoreState {
  readonly id: string;
  /** What is brought back: the cluster, one database in the place of another or under a new name, tables. */
  readonly kind: "cluster" | "database" | "new" | "tables";
  /** Of a part: the database that it is, or is of. */
  readonly database?: string;
  /** What the database from before is called while it stands aside. */
  readonly before?: string;
  readonly stage: "begun" | "swapping" | "swapped" | "undone" | "confirming";
  /** What it was asked to go back to, in words. */
  readonly target: string;
  /** Seconds since the epoch. */
  readonly began: number;
  /** When the restored data was put in place. */
  readonly swapped?: number;
  /** Which data is at the cluster's place now, or has the database's name. */
  readonly served: "old" | "new" | "unknown";
  /** What the folder beside, or the database that stands aside, takes. */
  readonly asideBytes?: number;
}

/** Rows of a table in the copy, when it was checked. */
export interface CountedTable {
  readonly database: string;
  readonly table: string;
  readonly rows: number;
}

/** What a host can tell of restoring one cluster. */
export interface RestoreFact {
  /** Why pgBackRest could not tell. */
  readonly trouble?: string;
  readonly sets: readonly BackupSet[];
  readonly archived: readonly ArchivedSegment[];
  /** Of the cluster's data, else of what the last restore left served; absent where neither can be read. */
  readonly timeline?: number;
  /** How it got there from the first one, the oldest first. */
  readonly history: readonly TimelineSwitch[];
  /** Bytes of a WAL segment. */
  readonly segmentBytes: number;
  /** Where the data really is. */
  readonly data: string;
  readonly freeBytes: number;
  /** What the data folder's tablespaces are called: their folders are not beside the data. */
  readonly tablespaces: readonly string[];
  /** The host's time zone: `Europe/Berlin`; "" for none that is set. */
  readonly zone: string;
  readonly state?: RestoreState;
  /** Restores that want nothing any more, the newest last. */
  readonly done: readonly string[];
  readonly counts: readonly CountedTable[];
  /** What the last restore of tables could not bring back, a line each. */
  readonly notes: readonly string[];
  /** Those that runs made, the oldest first. */
  readonly points: readonly RestorePoint[];
}

/** The file in which a stack's restore is written down. */
export function restoreStatePath(stack: string): string {
  return `/var/lib/hostkit/${stack}/restore/state`;
}

/** What a restore that is not settled wants of somebody, from the text of its state; undefined where it wants nothing. */
export function readWaitingRestore(text: string | undefined): string | undefined {
  const state = readState((text ?? "").split("\n").map((line) => `state ${line}`));
  if (state === undefined) return undefined;
  const named = nameRestore(state);
  switch (state.stage) {
    case "swapped":
      return `${named} waits: hostkit restore confirm, or hostkit restore undo`;
    case "swapping":
      return `${named} was cut off in the exchange: hostkit restore undo`;
    case "undone":
    case "confirming":
      return `what ${named} left stands aside: hostkit restore confirm`;
    default:
      return undefined;
  }
}

/** A restore in words: `the restore to 2026-11-28 01:00:00 UTC`, `the restore of the database app to …`. */
export function nameRestore({ kind, database, target }: RestoreState): string {
  if (kind === "cluster" || database === undefined) return `the restore to ${target}`;
  return `the restore of ${kind === "tables" ? "tables" : "the database"} ${kind === "tables" ? `in ${database}` : database} to ${target}`;
}

/** A question for `restoreFacts`. */
export function restoreSubject(stack: string, major: number, repositories: number): string {
  return `${stack} ${major} ${repositories}`;
}

/** sed(1): a line for each file of `repo-ls --output=json` that is a WAL segment: archive, name, time. */
export const segmentLines = String.raw`s/.*"\([0-9]*-[0-9]*\)\/[0-9A-F]*\/\([0-9A-F]\{24\}\)-[0-9a-f]\{40\}[^"]*":{.*"time":\([0-9]*\).*/\1 \2 \3/p`;

/** Clusters by `restoreSubject`: backups, archived WAL, room, and what an earlier restore left. Asks remote repositories too. */
export const restoreFacts: FactSource<RestoreFact> = {
  name: "restore",
  lane: "postgres",
  script: (subjects) => joinScripts(subjects.map(askCluster)),
  parse(stdout, subjects) {
    const found = new Map<string, RestoreFact>();
    for (const section of stdout.split(/^subject /m)) {
      const [subject = "", ...lines] = section.split("\n");
      if (subjects.includes(subject)) found.set(subject, readCluster(lines));
    }
    return found;
  },
};

/** Which of two databases has the name, by its number, and what the other one takes. */
const databaseSql = `select 'at ' || oid from pg_database where datname = :'database';
select 'aside ' || pg_database_size(oid) / 1024 from pg_database where datname in (:'temporary', :'before');
`;

function askCluster(subject: string): Script {
  const [stack = "", major = "", repositories = "0"] = subject.split(" ");
  const place = `/var/lib/hostkit/${stack}/restore`;
  const pgbackrest = sh`${asPostgres} pgbackrest --stanza=${stack} --log-level-console=off --log-level-stderr=error --log-level-file=off`;
  const numbers = Array.from({ length: Number(repositories) }, (_, index) => String(index + 1));
  return sh`echo ${`subject ${subject}`}
cd / && said=$(mktemp)
echo "zone $(sed -n 1p /etc/timezone 2>/dev/null || readlink /etc/localtime | sed ${"s#.*zoneinfo/##"})"
echo "info $(${pgbackrest} --output=json info 2>"$said" | tr -d ${"\\n"})"
for n in ${numbers}; do
  ${pgbackrest} --repo="$n" --output=json --recurse repo-ls ${`archive/${stack}`} 2>>"$said" | sed ${"s/},/}\\n/g"} | sed -n ${segmentLines} | sed "s/^/wal $n /"
done
tr -cd ${"\\n\\040-\\176"} <"$said" | sed -n ${"s/^/trouble /;1,3p"}
rm -f "$said"
data=$(${locateData(Number(major))} 2>/dev/null | tail -n 1)
[ -n "$data" ] || data=${dataDirectory(Number(major))}
[ ! -d "$data" ] || data=$(cd -P -- "$data" && pwd -P)
echo "data $data"
echo "free $(df -Pk "\${data%/*}" 2>/dev/null | awk ${"NR == 2 {print $4}"})"
control=$(${asPostgres} ${`${programDirectory(Number(major))}/pg_controldata`} "$data" 2>/dev/null | sed -n ${"s/^Latest checkpoint's TimeLineID: */timeline /p;s/^Bytes per WAL segment: */segment /p"})
if [ -n "$control" ]; then echo "$control"; else cat ${`${place}/timeline`} 2>/dev/null; fi
timeline=$(echo "$control" | sed -n ${"s/^timeline //p"})
[ -z "$timeline" ] || ${asPostgres} sed -n ${"s/^\\([0-9][0-9]*\\)[[:space:]][[:space:]]*\\([0-9A-F]*\\/[0-9A-F]*\\).*/history \\1 \\2/p"} "$data/pg_wal/$(printf %08X "$timeline").history" 2>/dev/null
for t in "$data"/pg_tblspc/*; do [ ! -L "$t" ] || echo "tablespace $(readlink -- "$t")"; done
if [ -d ${place} ]; then
  sed -n ${"s/^/state /p"} ${`${place}/state`} 2>/dev/null
  known() { sed -n "s/^$1 //p" ${`${place}/state`} 2>/dev/null; }
  if [ "$(known kind)" = database ]; then
    printf %s ${databaseSql} | ${psqlProgram(Number(major), sh`-XAtq`)} -d postgres -v database="$(known database)" -v temporary="$(known temporary)" -v before="$(known before)" 2>/dev/null
  else
    [ ! -d "$data" ] || echo "at $(stat -c %i -- "$data")"
    [ ! -d "$data.hostkit-restore" ] || echo "aside $(du -sk -- "$data.hostkit-restore" | cut -f1)"
  fi
  ls -tr ${`${place}/done`} 2>/dev/null | tail -n 20 | sed ${"s/^/done /"}
  sed -n ${"s/^/point /p"} ${`/var/lib/hostkit/${stack}/${restorePointsFile}`} 2>/dev/null
  sed -n ${"s/^/note /p"} ${`${place}/notes`} 2>/dev/null
  head -c 400000 ${`${place}/counts`} 2>/dev/null | sed -n ${"s/^{/count {/p"}
fi`;
}

function readCluster(lines: readonly string[]): RestoreFact {
  const all = (key: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1)] : []));
  const one = (key: string): string => all(key)[0] ?? "";
  const timeline = Number(one("timeline") || Number.NaN);
  const state = readState(lines);
  const trouble = all("trouble").join("; ");
  return {
    ...(trouble === "" ? {} : { trouble }),
    sets: readBackupSets(one("info")),
    archived: all("wal").flatMap(readArchivedSegment),
    ...(Number.isInteger(timeline) ? { timeline } : {}),
    history: all("history").flatMap((line) => {
      const [number = "", lsn = ""] = line.split(" ");
      return [{ timeline: Number(number), lsn }];
    }),
    segmentBytes: Number(one("segment") || 16 * 1024 * 1024),
    data: one("data"),
    freeBytes: Number(one("free") || 0) * 1024,
    tablespaces: all("tablespace"),
    zone: one("zone"),
    ...(state === undefined ? {} : { state }),
    done: all("done"),
    counts: all("count").flatMap(readCount),
    notes: all("note"),
    points: all("point").flatMap(readRestorePoint),
  };
}

/** A line that `segmentLines` made, behind the repository's number; nothing where it is none. */
export function readArchivedSegment(line: string): ArchivedSegment[] {
  const [repository = "", archive = "", name = "", time = ""] = line.split(" ");
  return [{ repository: Number(repository), archive, name, time: Number(time) }];
}

function readCount(line: string): CountedTable[] {
  try {
    const { d, t, n } = JSON.parse(line) as { d: string; t: string; n: number };
    return [{ database: String(d), table: String(t), rows: Number(n) }];
  } catch {
    // The last line, cut short.
    return [];
  }
}

function readState(lines: readonly string[]): RestoreState | undefined {
  const known = new Map(
    lines
      .filter((line) => line.startsWith("state "))
      .map((line) => {
        const [, key = "", ...rest] = line.split(" ");
        return [key, rest.join(" ")] as const;
      }),
  );
  const stage = known.get("stage");
  if (stage === undefined) return undefined;
  const at = lines.find((line) => line.startsWith("at "))?.slice(3) ?? "";
  const aside = Number(lines.find((line) => line.startsWith("aside "))?.slice(6) ?? Number.NaN);
  const swapped = known.get("swapped");
  const [database, before] = [known.get("database"), known.get("before")];
  return {
    id: known.get("id") ?? "",
    kind: (known.get("kind") ?? "cluster") as RestoreState["kind"],
    ...(database === undefined ? {} : { database }),
    ...(before === undefined ? {} : { before }),
    stage: stage as RestoreState["stage"],
    target: known.get("target") ?? "",
    began: Number(known.get("began") ?? 0),
    ...(swapped === undefined ? {} : { swapped: Number(swapped) }),
    served:
      at !== "" && at === known.get("new")
        ? "new"
        : at === (known.get("old") ?? at)
          ? "old"
          : "unknown",
    ...(Number.isNaN(aside) ? {} : { asideBytes: aside * 1024 }),
  };
}

interface InfoBackup {
  readonly label: string;
  readonly type: BackupSet["type"];
  readonly timestamp: { readonly start: number; readonly stop: number };
  readonly archive?: { readonly start?: string | null; readonly stop?: string | null };
  readonly lsn?: { readonly stop?: string | null };
  readonly database?: { readonly id?: number; readonly "repo-key"?: number };
  readonly info?: { readonly size?: number };
  readonly error?: boolean | null;
}

interface InfoStanza {
  readonly backup?: readonly InfoBackup[];
  readonly db?: readonly {
    readonly id: number;
    readonly "repo-key"?: number;
    readonly version: string;
  }[];
}

/** `pgbackrest info --output=json`; nothing where it is none. */
export function readBackupSets(text: string): BackupSet[] {
  let stanzas: readonly InfoStanza[];
  try {
    stanzas = JSON.parse(text) as readonly InfoStanza[];
  } catch {
    return [];
  }
  return stanzas.flatMap(({ backup = [], db = [] }) =>
    backup.flatMap((one) => {
      const repository = one.database?.["repo-key"] ?? 1;
      const of = db.find(
        ({ id, "repo-key": key = 1 }) => id === one.database?.id && key === repository,
      );
      const { start, stop } = one.archive ?? {};
      if (of === undefined || typeof start !== "string" || typeof stop !== "string") return [];
      return [
        {
          ...{ repository, label: one.label, type: one.type },
          ...{ start: one.timestamp.start, stop: one.timestamp.stop },
          ...{ firstWal: start, lastWal: stop },
          ...(typeof one.lsn?.stop === "string" ? { stopLsn: one.lsn.stop } : {}),
          bytes: one.info?.size ?? 0,
          hasErrors: one.error === true,
          archive: `${of.version}-${of.id}`,
        },
      ];
    }),
  );
}
