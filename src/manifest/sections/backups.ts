import { z } from "zod";
import type { Backups, FileBackup, PostgresBackup, Repository } from "../manifest.ts";
import { sortNamed } from "../order.ts";
import {
  absolutePath,
  choice,
  closest,
  count,
  handle,
  hostNamePattern,
  httpsUrl,
  line,
  listOf,
  localPath,
  mapping,
  named,
  port,
  schedule,
  text,
  variableName,
} from "../values.ts";

const passphrase = variableName()
  .optional()
  .meta({
    description:
      "Name of the secret that encrypts the repository. Default: a key made on the host, which is lost with the host.",
    examples: ["BACKUP_PASSPHRASE"],
  });

const repositoryHost = () =>
  text(
    "a host name or an IP address",
    new RegExp(String.raw`${hostNamePattern.source}|^(?=.*:.*:)[0-9A-Fa-f:.]{2,45}$`),
  );

const local = mapping({
  path: absolutePath().meta({
    description: "Folder on the host.",
    examples: ["/var/backups/hostkit"],
  }),
  passphrase,
});

const sftp = mapping({
  host: repositoryHost().meta({ description: "Server to send backups to." }),
  port: port().optional().meta({ description: "Its SSH port. Default: 22." }),
  user: text("a user name", /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/).meta({
    description: "User on that server.",
  }),
  path: absolutePath().meta({ description: "Folder on that server." }),
  identity: localPath("the path of a private key file").meta({
    description:
      "Private key file on this machine, without passphrase; the host gets a copy only root can read.",
  }),
  host_key: text(
    'a public key ("ssh-ed25519 AAAA…") or its fingerprint ("SHA256:…")',
    /^(?:(?:ssh-|ecdsa-)[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+|SHA256:[A-Za-z0-9+/]{43}=?)$/,
  ).meta({
    description: "The server's host key; required, because nobody is there to ask at night.",
  }),
  passphrase,
});

const s3 = mapping({
  bucket: text("a bucket name", /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/).meta({
    description: "Bucket.",
  }),
  endpoint: httpsUrl("an https:// URL").meta({
    description: "URL of the S3 service.",
    examples: ["https://s3.eu-central-1.amazonaws.com"],
  }),
  region: text("a region name", /^[A-Za-z0-9-]{1,63}$/)
    .optional()
    .meta({ description: "Region. Default: us-east-1." }),
  prefix: text("a path inside the bucket", /^[A-Za-z0-9._/-]+$/)
    .optional()
    .meta({ description: "Folder in the bucket. Default: none." }),
  access_key: variableName().meta({
    description: "Name of the secret that holds the access key id.",
  }),
  secret_key: variableName().meta({
    description: "Name of the secret that holds the secret access key.",
  }),
  passphrase,
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
  volumes: listOf(text("the name of a volume", /^[a-z0-9][a-z0-9_.-]{0,62}$/), "volume names")
    .optional()
    .meta({
      description: "Docker volumes of this stack's services, by the name in their `volumes`.",
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
  repositories: named(
    handle(),
    z.union([closest(local), closest(sftp), closest(s3)]),
    "repository names to {path}, {host, user, path, …} or {bucket, endpoint, …}",
  ).meta({
    description:
      "Where backups go: {path} is a folder on the host, {host, user, path, identity, host_key} an SFTP server, {bucket, endpoint, access_key, secret_key} S3.",
    examples: [{ local: { path: "/var/backups/hostkit" } }],
  }),
  postgres: postgres.optional().meta({
    description: "Backups of PostgreSQL with pgBackRest.",
    examples: [{ full: "weekly", incremental: "daily", wal: "continuous", keep: { full: 4 } }],
  }),
  files: files.optional().meta({
    description: "Backups of files and volumes with restic.",
    examples: [{ paths: ["/etc/dx-scraper"], schedule: "daily", keep: { daily: 7, weekly: 4 } }],
  }),
}).meta({ description: "Backups by systemd timers; provision itself makes the first one." });

export type WrittenBackups = z.output<typeof backupsSectionSchema>;
type WrittenRepository = WrittenBackups["repositories"][string];

export function normalizeBackups(written: WrittenBackups): Backups {
  const names = Object.keys(written.repositories);
  return {
    repositories: sortNamed(
      Object.entries(written.repositories).map(([name, entry]) => normalizeRepository(name, entry)),
    ),
    ...(written.postgres === undefined
      ? {}
      : { postgres: normalizePostgres(written.postgres, names) }),
    ...(written.files === undefined ? {} : { files: normalizeFiles(written.files, names) }),
  };
}

function normalizeRepository(name: string, entry: WrittenRepository): Repository {
  const common = {
    name,
    ...(entry.passphrase === undefined ? {} : { passphrase: entry.passphrase }),
  };
  if ("bucket" in entry) {
    return {
      ...common,
      kind: "s3",
      bucket: entry.bucket,
      endpoint: entry.endpoint,
      region: entry.region ?? "us-east-1",
      prefix: (entry.prefix ?? "").replace(/^\/+|\/+$/g, ""),
      accessKey: entry.access_key,
      secretKey: entry.secret_key,
    };
  }
  if ("host" in entry) {
    const { host, user, identity } = entry;
    const path = collapseSlashes(entry.path);
    return {
      ...common,
      kind: "sftp",
      host,
      port: entry.port ?? 22,
      user,
      path,
      identity,
      hostKey: entry.host_key,
    };
  }
  return { ...common, kind: "local", path: collapseSlashes(entry.path) };
}

/** pgBackRest takes no two slashes in a row. */
function collapseSlashes(path: string): string {
  return path.replaceAll(/\/{2,}/g, "/");
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
    volumes: [...new Set(written.volumes ?? [])].sort(),
    exclude: [...new Set(written.exclude ?? [])].sort(),
    schedule: written.schedule ?? "daily",
    keep: Object.keys(keep).length === 0 ? { daily: 7, weekly: 4 } : keep,
    repositories: [...new Set(written.repositories ?? all)].sort(),
  };
}
