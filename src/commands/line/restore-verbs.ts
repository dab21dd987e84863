import { Option } from "commander";
import type { Command } from "commander";
import { collect } from "./collect.ts";
import { defineFileRestores } from "./file-restore-verbs.ts";
import type { Define } from "./verb.ts";

/** What brings backups back: one function for each thing that can be. */
export function defineRestore(program: Command, define: Define): void {
  const restore = program.command("restore").description("bring backups back");
  defineRestorePostgres(restore, define);
  definePoints(restore, define);
  defineFileRestores(restore, define);
  defineSettling(restore, define);
}

function defineRestorePostgres(restore: Command, define: Define): void {
  define(
    restore,
    "postgres",
    {
      summary: "bring PostgreSQL back to a moment",
      more: `Says first which backup it begins with, what would be lost, and what it takes; asks. The copy is made beside the cluster that
runs, recovered there without archive or network, and read whole. Then the two are exchanged in one act: the services
that use it stand still for that moment alone. The data from before stays until \`hostkit restore confirm\`, and
\`hostkit restore undo\` goes back to it.

--database and --table bring back a part while the rest goes on: one database, which takes the place of the one that is there (that one
is kept aside, as above) or comes beside it (--as NAME); or tables, in one transaction, with their rows, indexes, constraints,
sequences and grants. Nothing is written over: a table that is there comes beside it, --as SCHEMA or --as SCHEMA.NAME.

TIME: "10 minutes ago", "14:05", "yesterday 14:05", "2026-11-27 20:00:30 CET", 2026-11-27T19:00:30Z; without a zone, in
the host's. Or: latest, immediate (the end of the newest backup), lsn:0/5000060, xid:7312, name:RESTORE-POINT.`,
      examples: [
        ["hostkit restore postgres --to '10 minutes ago' --dry-run", "what would happen"],
        ["hostkit restore postgres --to '2026-11-27 20:00 CET'", "show it, ask, do it"],
        [
          "hostkit restore postgres --table public.spots --to '10 minutes ago'",
          "a table that was dropped",
        ],
        [
          "hostkit restore postgres --database app --as app_then --to 'yesterday 14:05'",
          "one database, beside the one that runs",
        ],
        ["hostkit restore postgres --from offsite --yes", "the newest that is in that repository"],
      ],
    },
    async () => (await import("../restore/postgres.ts")).runRestorePostgres,
  )
    .option("--to <time>", "to which moment", "latest")
    .option("--from <repository>", "from this repository of the manifest")
    .option("--database <name>", "only this database; the rest of the cluster goes on")
    .addOption(
      new Option("--table <name>", "only this table (SCHEMA.TABLE); again for more").argParser(
        collect,
      ),
    )
    .option(
      "--as <name>",
      "under another name: of the database, the table, or a schema for the tables",
    )
    .option("--set <label>", "begin with this backup (hostkit backup list)")
    .option("-y, --yes", "do not ask")
    .option("--dry-run", "only say what would happen");
}

function definePoints(restore: Command, define: Define): void {
  define(
    restore,
    "points",
    {
      summary: "list the restore points that can be gone back to",
      more: `Each release, each migration and each run of provision that changes the database writes one into the WAL before it begins, where WAL is
continuous. Only those are listed that a backup and the WAL behind it lead to; the newest 200 are remembered.`,
      examples: [
        ["hostkit restore points", "name, time, and what was about to be done"],
        ["hostkit restore postgres --to name:NAME", "back to one of them"],
      ],
    },
    async () => (await import("../restore/points.ts")).runRestorePoints,
  );
}

/** What is said to a restore that waits for a word. */
function defineSettling(restore: Command, define: Define): void {
  define(
    restore,
    "confirm",
    {
      summary: "keep what is served, and remove the data that stands aside",
      more: `After a restore that is the data from before, after an undo what was restored. After one of the whole cluster a full backup
begins then.`,
      examples: [["hostkit restore confirm", "say what goes, ask, do it"]],
    },
    async () => (await import("../restore/settle.ts")).runRestoreConfirm,
  ).option("-y, --yes", "do not ask");
  define(
    restore,
    "undo",
    {
      summary: "go back to the data from before the last restore",
      more: `Takes seconds. What was written since the restore stands aside until \`hostkit restore confirm\`. Of a restore that was cut off before
it was put in place, it takes away what was left.`,
      examples: [["hostkit restore undo", "say what it means, ask, do it"]],
    },
    async () => (await import("../restore/settle.ts")).runRestoreUndo,
  ).option("-y, --yes", "do not ask");
}
