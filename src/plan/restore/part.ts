import { sh } from "../../shell/script.ts";
import type { OperationStep } from "../operation.ts";
import { archiveStep, hours, listFetchOptions, loginScript, restoreStep } from "./postgres.ts";
import type { ClusterRestore } from "./postgres.ts";
import { describeTarget } from "./target.ts";

/** A table by its names, as the catalogue has them. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** What of a cluster is brought back while the rest of it goes on. */
export type RestorePart =
  /** It takes the place of the one that is there, which is called `before` then. */
  | { readonly kind: "database"; readonly database: string; readonly before: string }
  /** It comes under a name that is free. */
  | { readonly kind: "new"; readonly database: string; readonly as: string }
  /** Tables of one database: under their own names, in another schema, or one under another name. */
  | {
      readonly kind: "tables";
      readonly database: string;
      readonly tables: readonly TableName[];
      readonly as?: { readonly schema: string; readonly name?: string };
    };

export interface PartRestore extends Omit<ClusterRestore, "isUp"> {
  readonly part: RestorePart;
}

/** What a database is called while it is not whole: the restore's own name, which says when it was. */
export function nameTemporary(seconds: number): string {
  return `hostkit_restore_${seconds}`;
}

/** What the database from before is called; a name of PostgreSQL's has at most 63 bytes. */
export function nameBefore(database: string, taken: readonly string[]): string {
  const bytes = new TextEncoder().encode(database).slice(0, 40);
  const base = `${new TextDecoder().decode(bytes).replace(/\uFFFD$/, "")}_before_restore`;
  const names = [
    base,
    ...Array.from({ length: taken.length }, (_, index) => `${base}_${index + 2}`),
  ];
  return names.find((name) => !taken.includes(name)) ?? base;
}

/** A database or tables, out of a copy beside the cluster; nothing else in the cluster is touched. */
export function planPartRestore(restore: PartRestore, temporary: string): OperationStep[] {
  const { place, part } = restore;
  return [
    ...planPartCopy(restore, temporary),
    ...(part.kind === "tables" ? planTables(restore, part) : planDatabase(restore, part)),
    ...(part.kind === "tables"
      ? [
          restoreStep(place, "end", "take the copy away", sh`rs_end_part`, {
            bound: hours(1, "the removal"),
          }),
        ]
      : []),
  ];
}

function planPartCopy(restore: PartRestore, temporary: string): OperationStep[] {
  const { place, id, target, set, timeline, part } = restore;
  const { kind, database } = part;
  const lines = [
    `kind ${kind}`,
    `database ${database}`,
    ...(kind === "tables" ? [] : [`temporary ${temporary}`]),
    ...(kind === "database" ? [`before ${part.before}`] : []),
  ];
  const options = listFetchOptions(target, set, timeline);
  return [
    restoreStep(
      place,
      "begin",
      "look that it can be done, and write down that it begins",
      sh`rs_begin_part ${id} ${describeTarget(target)} ${lines}`,
    ),
    archiveStep(place),
    restoreStep(
      place,
      "copy",
      `bring back ${database} from ${set.label}, beside the cluster`,
      sh`rs_part rs_fetch_part ${database} ${set.repository} ${set.label} ${options}`,
      { bound: hours(48, "pgBackRest") },
    ),
    restoreStep(
      place,
      "recover",
      `replay WAL up to ${describeTarget(target)}`,
      sh`rs_part rs_recover`,
      { bound: hours(48, "the replay of WAL") },
    ),
    restoreStep(
      place,
      "look",
      `look for ${database} in the copy`,
      sh`rs_part rs_look_part ${database} ${options}`,
      { bound: hours(48, "the copy") },
    ),
  ];
}

function planTables(
  { place }: PartRestore,
  { database, tables, as }: Extract<RestorePart, { kind: "tables" }>,
): OperationStep[] {
  const names = JSON.stringify(tables.map(({ schema, name }) => [schema, name]));
  return [
    restoreStep(
      place,
      "check",
      "count every row of the tables",
      sh`rs_part rs_choose_tables ${database} ${names} ${as?.schema ?? ""} ${as?.name ?? ""}
rs_part rs_count_tables ${database}`,
      { bound: hours(48, "the count") },
    ),
    restoreStep(
      place,
      "bring",
      `bring the tables over into ${database}, in one transaction`,
      sh`rs_part rs_bring_tables ${database}`,
      { bound: hours(48, "pg_dump") },
    ),
  ];
}

function planDatabase(
  restore: PartRestore,
  part: Exclude<RestorePart, { kind: "tables" }>,
): OperationStep[] {
  const { place, units } = restore;
  const named = units.length === 0 ? "" : `, with ${units.join(" ")} stopped`;
  return [
    restoreStep(
      place,
      "bring",
      "bring the database over beside the one that runs, and count its rows",
      sh`rs_part rs_bring_database`,
      { bound: hours(48, "pg_dump") },
    ),
    restoreStep(place, "close", "take the copy away", sh`rs_part rs_drop_copy`, {
      bound: hours(1, "the removal"),
    }),
    part.kind === "new"
      ? restoreStep(place, "name", `call it ${part.as}`, sh`rs_part rs_name_database ${part.as}`)
      : restoreStep(
          place,
          "swap",
          `let it take the place of ${part.database}${named}`,
          sh`rs_part rs_swap_database ${units}`,
        ),
    ...(units.length === 0
      ? []
      : [
          restoreStep(
            place,
            "services",
            `start ${units.join(" ")}`,
            part.kind === "new" ? sh`systemctl restart -- ${units}` : sh`rs_start_services`,
            { mayFail: true },
          ),
        ]),
    ...(part.kind === "database" || units.length > 0
      ? [
          restoreStep(
            place,
            "proof",
            "log in as the services and as the owner",
            loginScript(restore),
          ),
        ]
      : []),
  ];
}
