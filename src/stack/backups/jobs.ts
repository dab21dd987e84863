import type { Manifest } from "../../manifest/schema.ts";
import { configDirectoryOf, stackDirectoryOf } from "../names.ts";

/** One thing that a timer backs up. */
export interface BackupJob {
  /** `postgres-full`, `postgres-differential`, `postgres-incremental`, `files`; also the name of its report. */
  readonly name: string;
  readonly tool: "postgres" | "files";
  /** What the host's script is told: full, diff, incr, or files. */
  readonly type: string;
  /** `dxcluster-backup-postgres-full.service` */
  readonly service: string;
  readonly timer: string;
  /** OnCalendar. */
  readonly schedule: string;
}

/** Every backup job of a stack, the full one first. */
export function listBackupJobs(manifest: Pick<Manifest, "stack" | "backups">): BackupJob[] {
  const { stack, backups } = manifest;
  const job = (
    name: string,
    tool: BackupJob["tool"],
    type: string,
    schedule: string,
  ): BackupJob => {
    const unit = `${stack}-backup-${name}`;
    return { name, tool, type, service: `${unit}.service`, timer: `${unit}.timer`, schedule };
  };
  const { postgres, files } = backups ?? {};
  return [
    ...(postgres === undefined
      ? []
      : [
          job("postgres-full", "postgres", "full", postgres.full),
          ...(postgres.differential === undefined
            ? []
            : [job("postgres-differential", "postgres", "diff", postgres.differential)]),
          ...(postgres.incremental === undefined
            ? []
            : [job("postgres-incremental", "postgres", "incr", postgres.incremental)]),
        ]),
    ...(files === undefined ? [] : [job("files", "files", "files", files.schedule)]),
  ];
}

/** The drill of a tool: what restores its newest backups and looks into them. */
export interface BackupDrill {
  readonly tool: BackupJob["tool"];
  /** `dxcluster-drill-postgres@.service`; its instance is a repository, or `all`. */
  readonly template: string;
  readonly timer: string;
  /** OnCalendar; absent: only by hand. */
  readonly schedule: string | undefined;
  /** Names of the repositories, in the order in which they are drilled. */
  readonly repositories: readonly string[];
}

/** The drills of a stack: one for each tool that makes backups. */
export function listBackupDrills({
  stack,
  backups,
}: Pick<Manifest, "stack" | "backups">): BackupDrill[] {
  return drilledTools.flatMap((tool) => {
    const made = backups?.[tool];
    if (made === undefined) return [];
    const unit = `${stack}-drill-${tool}`;
    return [
      {
        tool,
        template: `${unit}@.service`,
        timer: `${unit}.timer`,
        schedule: backups?.drill,
        repositories: made.repositories,
      },
    ];
  });
}

const drilledTools = ["postgres", "files"] as const;

/** The unit that drills one repository, or `all` of them. */
export function drillUnitOf({ template }: BackupDrill, repository: string): string {
  return template.replace("@", `@${repository}`);
}

/** Places of a stack's backups on the host. */
export function backupPlaces(stack: string) {
  const library = `/usr/local/lib/hostkit/${stack}`;
  return {
    library,
    script: (tool: BackupJob["tool"]): string => `${library}/backup-${tool}`,
    drill: (tool: BackupJob["tool"]): string => `${library}/drill-${tool}`,
    /** Where PostgreSQL's backups are restored to by a drill; empty otherwise. */
    throwaway: `${stackDirectoryOf(stack)}/drill`,
    lock: `${library}/backup.lock`,
    /** What copies volumes at a moment of rest, and its unit for each group of volumes. */
    quiesce: `${library}/quiesce`,
    quiesceUnit: (group: string): string => `${stack}-quiesce@${group}.service`,
    /** What ends one that was killed, with all that would have ended it. */
    quiesceSettle: (group: string): string => `${stack}-quiesce-settle@${group}.service`,
    quiesceReady: `${stack}-quiesce-ready.service`,
    /** The copies, as long as they are wanted. */
    quiesced: `${stackDirectoryOf(stack)}/quiesced`,
    reports: `${stackDirectoryOf(stack)}/backups`,
    pgbackrestConfig: `/etc/pgbackrest/conf.d/hostkit-${stack}.conf`,
    /** Where the key that a repository had is kept while another one is tried. */
    formerKey: (repository: string, tool: BackupJob["tool"]): string =>
      `${stackDirectoryOf(stack)}/former-keys/${tool}-${repository}`,
    /** The repository's password: for pgBackRest a piece of configuration, for restic the bare text. */
    passphrase: (repository: string, tool: BackupJob["tool"]): string =>
      tool === "postgres"
        ? `/etc/pgbackrest/conf.d/hostkit-${stack}-${repository}.conf`
        : `${configDirectoryOf(stack)}/backup/${repository}.password`,
    /** pgBackRest's access to a remote repository. */
    pgbackrestAccess: (repository: string): string =>
      `/etc/pgbackrest/conf.d/hostkit-${stack}-${repository}-access.conf`,
    /** restic's access to a remote repository. */
    environment: (repository: string): string =>
      `${configDirectoryOf(stack)}/backup/${repository}.env`,
    identity: (repository: string, tool: BackupJob["tool"]): string =>
      tool === "postgres"
        ? `/etc/pgbackrest/hostkit-${stack}-${repository}.key`
        : `${configDirectoryOf(stack)}/backup/${repository}.key`,
    /** Every host key of an SFTP server; `storages/sftp.ts` tells how they are learned. */
    knownHosts: (repository: string, tool: BackupJob["tool"]): string =>
      tool === "postgres"
        ? `/etc/pgbackrest/hostkit-${stack}-${repository}.known_hosts`
        : `${configDirectoryOf(stack)}/backup/${repository}.known_hosts`,
  } as const;
}
