import { z } from "zod";
import type { Backups, FileBackup, PostgresBackup } from "../manifest.ts";
import { sortNamed } from "../order.ts";
import {
  absolutePath,
  choice,
  control,
  count,
  handle,
  identifier,
  line,
  listOf,
  mapping,
  schedule,
  scheduleOrNone,
  text,
} from "../values.ts";
import { nameOfVolume, normalizeQuiesce, volumeSchema } from "./backed-up-volumes.ts";
import { normalizeRepository, repositoriesSchema } from "./repositories.ts";

// psql takes a command that begins with a backslash for one of its own.
const question = text(
  "an SQL query on one line",
  new RegExp(String.raw`^(?![\\ ])[^${control}]{1,10000}$`),
  "query",
).meta({
  description: "A query that answers with one true or false.",
  examples: ["select count(*) > 0 from dx_spots"],
});

const keepCount = () => count(1, 10_000).optional();
const repositoryNames = listOf(handle(), "repository names").min(1).optional().meta({
  description: "Which repositories are written to. Default: all of them.",
});

const postgres = mapping({
  full: schedule().optional().meta({ description: "When full backups are made. Default: weekly." }),
  differential: schedule().optional().meta({
    description: "When backups of everything since the last full one are made. Default: never.",
  }),
  incremental: schedule().optional().meta({
    description: "When backups of everything since the last backup are made. Default: never.",
  }),
  wal: choice(["continuous", "none"]).optional().meta({
    description:
      "continuous: every change is archived, so that any point in time can be restored. none: only the backups. Default: continuous.",
  }),
  keep: mapping({
    full: keepCount().meta({
      description: "How many full backups stay, with all that hangs on them. Default: 4.",
    }),
    differential: keepCount().meta({
      description: "How many differential backups stay. Default: as long as their full one.",
    }),
  })
    .optional()
    .meta({ description: "What stays; older backups are removed.", examples: [{ full: 4 }] }),
  repositories: repositoryNames,
});

const files = mapping({
  paths: listOf(absolutePath(), "absolute paths")
    .optional()
    .meta({ description: "Files and folders on the host.", examples: [["/etc/dx-scraper"]] }),
  volumes: listOf(volumeSchema, "volume names, or {name, quiesce}")
    .optional()
    .meta({
      description:
        "Docker volumes of this stack's services, by the name in their `volumes`. Without `quiesce` a volume is read while its service writes to it.",
      examples: [["uploads", { name: "data", quiesce: "sqlite" }]],
    }),
  exclude: listOf(line("a pattern"), "patterns")
    .optional()
    .meta({ description: "Patterns to leave out.", examples: [["*.tmp"]] }),
  schedule: schedule().optional().meta({ description: "When backups are made. Default: daily." }),
  keep: mapping({
    hourly: keepCount().meta({ description: "Hourly backups that stay." }),
    daily: keepCount().meta({ description: "Daily backups that stay." }),
    weekly: keepCount().meta({ description: "Weekly backups that stay." }),
    monthly: keepCount().meta({ description: "Monthly backups that stay." }),
    yearly: keepCount().meta({ description: "Yearly backups that stay." }),
  })
    .optional()
    .meta({
      description: "What stays; older backups are removed. Default: {daily: 7, weekly: 4}.",
      examples: [{ daily: 7, weekly: 4 }],
    }),
  repositories: repositoryNames,
});

export const backupsSectionSchema = mapping({
  repositories: repositoriesSchema,
  postgres: postgres.optional().meta({
    description: "Backups of PostgreSQL with pgBackRest.",
    examples: [{ full: "weekly", incremental: "daily", wal: "continuous", keep: { full: 4 } }],
  }),
  files: files.optional().meta({
    description: "Backups of files and volumes with restic.",
    examples: [{ paths: ["/etc/dx-scraper"], schedule: "daily", keep: { daily: 7, weekly: 4 } }],
  }),
  drill: scheduleOrNone().optional().meta({
    description:
      "When the newest backup of each repository is restored into a throwaway place and looked into. none: never. Default: weekly.",
  }),
  verify: listOf(
    z.union([
      question,
      mapping({
        query: question,
        database: identifier().meta({ description: "The database that is asked." }),
      }),
    ]),
    "queries, or {query, database}",
  )
    .optional()
    .meta({
      description:
        "Queries that a drill asks of the restored database, as its owner; each must answer true.",
      examples: [["select count(*) > 0 from dx_spots"]],
    }),
  recipients: listOf(
    text("a recipient of age (age1…)", /^age1[02-9ac-hj-np-z]{58,2000}$/, "recipient"),
    "recipients of age",
  )
    .optional()
    .meta({
      description:
        "Who can read the copies of keys that `hostkit backup key export` makes (age-keygen prints it).",
      examples: [["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]],
    }),
}).meta({ description: "Backups by systemd timers; provision itself makes the first one." });

export type WrittenBackups = z.output<typeof backupsSectionSchema>;

/** @param databases the names of the manifest's databases: a query that names none is for the only one */
export function normalizeBackups(written: WrittenBackups, databases: readonly string[]): Backups {
  const names = Object.keys(written.repositories);
  const { drill = "weekly" } = written;
  return {
    repositories: sortNamed(
      Object.entries(written.repositories).map(([name, entry]) => normalizeRepository(name, entry)),
    ),
    ...(written.postgres === undefined
      ? {}
      : { postgres: normalizePostgres(written.postgres, names) }),
    ...(written.files === undefined ? {} : { files: normalizeFiles(written.files, names) }),
    ...(drill === "none" ? {} : { drill }),
    recipients: [...new Set(written.recipients ?? [])].sort(),
    verify: (written.verify ?? []).map((one) =>
      typeof one === "string" ? { query: one, database: databases[0] ?? "" } : one,
    ),
  };
}

function normalizePostgres(
  written: NonNullable<WrittenBackups["postgres"]>,
  all: readonly string[],
): PostgresBackup {
  return {
    full: written.full ?? "weekly",
    ...(written.differential === undefined ? {} : { differential: written.differential }),
    ...(written.incremental === undefined ? {} : { incremental: written.incremental }),
    wal: written.wal ?? "continuous",
    keep: {
      full: written.keep?.full ?? 4,
      ...(written.keep?.differential === undefined
        ? {}
        : { differential: written.keep.differential }),
    },
    repositories: [...new Set(written.repositories ?? all)].sort(),
  };
}

function normalizeFiles(
  written: NonNullable<WrittenBackups["files"]>,
  all: readonly string[],
): FileBackup {
  const keep = Object.fromEntries(
    Object.entries(written.keep ?? {}).filter(([, amount]) => amount !== undefined),
  );
  return {
    paths: [...new Set(written.paths ?? [])].sort(),
    volumes: [...new Set((written.volumes ?? []).map(nameOfVolume))].sort(),
    quiesce: normalizeQuiesce(written.volumes ?? []),
    exclude: [...new Set(written.exclude ?? [])].sort(),
    schedule: written.schedule ?? "daily",
    keep: Object.keys(keep).length === 0 ? { daily: 7, weekly: 4 } : keep,
    repositories: [...new Set(written.repositories ?? all)].sort(),
  };
}
