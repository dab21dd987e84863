import type { CountedTable } from "../facts/postgres/restore.ts";
import type { RestoreDuration } from "../plan/restore/duration.ts";
import type { RestorePart } from "../plan/restore/part.ts";
import { writeTableName } from "../plan/restore/table-name.ts";
import { formatBytes } from "./bytes.ts";
import type { Colors } from "./colors.ts";
import { formatSeconds } from "./duration.ts";
import { table } from "./status.ts";
import { plainText } from "./terminal-text.ts";

/** What a restore comes from, for whoever reads it before it is done. */
export interface SourcePreview {
  readonly host: string;
  /** `17/main` */
  readonly cluster: string;
  readonly target: string;
  /** Seconds before now; absent where only the WAL tells. */
  readonly age?: number;
  readonly set: { readonly label: string; readonly type: string; readonly repository: string };
  readonly firstWal: string;
  readonly lastWal: string;
  /** The newest moment that can be reached, in words. */
  readonly newest: string;
  /** How long the copy takes, where a drill tells. */
  readonly duration?: RestoreDuration;
  /** Seconds since the epoch, on the host's clock. */
  readonly now: number;
}

/** What a restore of a cluster will do, said before it does it. */
export interface RestorePreview extends SourcePreview {
  /** Bytes it takes beside the cluster, and that are there. */
  readonly takes: number;
  readonly free: number;
  readonly isUp: boolean;
  /** Databases that go back; those of others first in mind. */
  readonly databases: readonly string[];
  readonly strangers: readonly string[];
  readonly units: readonly string[];
  /** What an earlier restore left, and goes. */
  readonly leftover?: string;
}

type Row = readonly [string, string];

function sourceRows(preview: SourcePreview): Row[] {
  const { target, age, set, firstWal, newest } = preview;
  return [
    ["to", `${target}${age === undefined ? "" : `, ${formatSeconds(age)} ago`}`],
    ["from", `the ${set.type} backup ${set.label} in ${set.repository}, then WAL from ${firstWal}`],
    ["newest", newest],
    ["takes", tellDuration(preview)],
  ];
}

/** At the pace of a drill, which has the lowest priority. */
function tellDuration({ duration, now }: SourcePreview): string {
  if (duration === undefined)
    return "nobody knows: no drill of this repository has brought PostgreSQL back yet (hostkit backup verify)";
  const { copy, replay, segments, drill } = duration;
  const pace = `${formatBytes(drill.bytes ?? 0)} in ${formatSeconds(drill.restored ?? 0)}, ${formatSeconds(now - drill.finished)} ago`;
  const wal = `${segments} segment${segments === 1 ? "" : "s"} of WAL`;
  return replay === undefined
    ? `about ${formatSeconds(copy)} to copy (the drill: ${pace}), then ${wal}, whose pace the next drill measures`
    : `about ${formatSeconds(copy + replay)}: copy ${formatSeconds(copy)}, ${wal} ${formatSeconds(replay)} (the drill: ${pace}); then every row is counted`;
}

function tellYounger(age: number | undefined): string {
  return age === undefined
    ? "what is younger"
    : `what was written in the last ${formatSeconds(age)}`;
}

export function renderRestorePreview(preview: RestorePreview, colors: Colors): string {
  const { strangers, databases, units } = preview;
  const rows: Row[] = [
    ...sourceRows(preview),
    ["lost", tellLost(preview)],
    [
      "goes back",
      `the whole cluster, roles included: ${databases.join(", ") || "databases that cannot be asked for now"}`,
    ],
    ...(strangers.length === 0
      ? []
      : [
          [
            "also",
            colors.yellow(
              `not of this manifest, and taken back all the same: ${strangers.join(", ")}`,
            ),
          ] as const,
        ]),
    ["stops", `${[...units, "PostgreSQL"].join(", ")}, while the two are exchanged`],
    [
      "room",
      `about ${formatBytes(preview.takes)} beside the cluster; ${formatBytes(preview.free)} are free`,
    ],
    ...(preview.leftover === undefined ? [] : [["first", preview.leftover] as const]),
    ["then", "hostkit restore confirm   keeps it;  hostkit restore undo   goes back"],
  ];
  return [
    colors.bold(`${preview.host}: restore PostgreSQL ${preview.cluster}`),
    ...table(rows.map(([name, text]) => [colors.dim(name), plainText(text)])),
  ].join("\n");
}

/** What a restore of a part of a cluster will do. */
export interface PartPreview extends Omit<RestorePreview, "isUp" | "databases" | "strangers"> {
  readonly part: RestorePart;
  /** The database is the manifest's. */
  readonly isOfStack: boolean;
}

export function renderPartPreview(preview: PartPreview, colors: Colors): string {
  const { part, units } = preview;
  const rows: Row[] = [
    ...sourceRows(preview),
    ["comes back", tellPart(part)],
    ["lost", tellPartLost(preview)],
    ["goes on", "everything else in the cluster, without a pause"],
    ...(preview.isOfStack || part.kind !== "database"
      ? []
      : [["whose", colors.yellow(`${part.database} is not of this manifest`)] as const]),
    ...(part.kind === "database"
      ? [
          [
            "stops",
            `${units.length === 0 ? "nothing of the stack" : units.join(", ")}, while names are exchanged; sessions of others in ${part.database} are ended`,
          ] as const,
        ]
      : []),
    [
      "room",
      `at most about ${formatBytes(preview.takes)} beside the cluster; ${formatBytes(preview.free)} are free`,
    ],
    ...(preview.leftover === undefined ? [] : [["first", preview.leftover] as const]),
    ...(part.kind === "database"
      ? [["then", "hostkit restore confirm   keeps it;  hostkit restore undo   goes back"] as const]
      : []),
  ];
  const what = { database: "a database", new: "a database", tables: "tables" }[part.kind];
  return [
    colors.bold(`${preview.host}: restore ${what} of PostgreSQL ${preview.cluster}`),
    ...table(rows.map(([name, text]) => [colors.dim(name), plainText(text)])),
  ].join("\n");
}

function tellPart(part: RestorePart): string {
  switch (part.kind) {
    case "database":
      return `the database ${part.database}, beside; then it takes the place of the one that is there`;
    case "new":
      return `the database ${part.database}, as ${part.as}; there is none of that name now`;
    case "tables":
      return `${part.tables
        .map((one) =>
          part.as === undefined
            ? writeTableName(one)
            : `${writeTableName(one)} as ${writeTableName({ ...one, ...part.as })}`,
        )
        .join(", ")} in ${part.database}, in one transaction`;
  }
}

function tellPartLost({ part, age }: PartPreview): string {
  if (part.kind !== "database") return "nothing: what is there now stays as it is";
  return `${tellYounger(age)} in ${part.database}, and until names are exchanged; it stands aside as ${part.before} until hostkit restore confirm`;
}

function tellLost({ isUp, age }: RestorePreview): string {
  if (!isUp)
    return "PostgreSQL does not answer: what it has not archived yet is only in its data, which stands aside until hostkit restore confirm";
  return `${tellYounger(age)}, and what is written until the exchange; it stands aside until hostkit restore confirm`;
}

/** Rows by database, as they were counted: `app: 3 tables, 120 rows`. */
export function summarizeCounts(counts: readonly CountedTable[]): string[] {
  const databases = [...new Set(counts.map(({ database }) => database))];
  return databases.map((name) => {
    const own = counts.filter(({ database }) => database === name);
    const rows = own.reduce((sum, one) => sum + one.rows, 0);
    return `${name}: ${own.length} table${own.length === 1 ? "" : "s"}, ${rows} row${rows === 1 ? "" : "s"}`;
  });
}
