import type { Command } from "commander";
import { defineBackupExport } from "./file-restore-verbs.ts";
import type { Define } from "./verb.ts";

/** What makes, proves and lists backups, and copies their keys. */
export function defineBackup(program: Command, define: Define): void {
  const backup = program.command("backup").description("make, prove, list and export backups");
  define(
    backup,
    "run [JOB...]",
    {
      summary: "make a backup now",
      more: "JOB: postgres-full, postgres-differential, postgres-incremental, files. Without one: files, and the smallest of PostgreSQL's.",
      examples: [
        ["hostkit backup run", "PostgreSQL and files, as the manifest says"],
        ["hostkit backup run postgres-full", "a full one"],
      ],
    },
    async () => (await import("../backup.ts")).runBackup,
  );
  define(
    backup,
    "verify",
    {
      summary: "restore the newest backups into a throwaway place, and look into them",
      more: `The drill that a timer makes every week, now: the newest backup of PostgreSQL in each repository is restored beside the
running server, WAL is replayed to its end, every page and index is looked at, and the manifest's queries
(\`backups.verify\`) are asked; of files, a sample is read out of each repository and compared. Nothing is written to a
repository. Exits 1 when something is wrong.`,
      examples: [
        ["hostkit backup verify", "every repository"],
        ["hostkit backup verify --repository offsite", "only this one"],
      ],
    },
    async () => (await import("../backup-verify.ts")).runBackupVerify,
  ).option("--repository <name>", "only the backups in this repository");
  define(
    backup,
    "list",
    {
      summary: "list the backups in every repository, and when each was proved",
      examples: [
        ["hostkit backup list", "what could be restored"],
        ["hostkit backup list --json", "for a monitor"],
      ],
    },
    async () => (await import("../backup.ts")).runBackupList,
  );
  define(
    backup,
    "expire [REPOSITORY...]",
    {
      summary: "remove old backups from append-only repositories, from this machine",
      more: `For repositories with \`append_only\`, from which the hosts remove nothing. pgBackRest and restic of this machine show what goes
and what stays by the manifest's \`keep\`; then they remove it, and look again. What opens a repository for removing never leaves
this machine. The hosts' backups wait meanwhile. Where the backups are not as the schedules make them (a host that was taken over can make so
many that the good ones are counted out), nothing is removed: \`--anyway\` is the word. Exits 1 when something that should go is left.`,
      examples: [
        ["hostkit backup expire --dry-run", "what would go"],
        ["hostkit backup expire offsite", "asks, then removes it"],
      ],
    },
    async () => (await import("../backup-expire.ts")).runBackupExpire,
  )
    .option("--dry-run", "only show what would go; exits 1 where something speaks against it")
    .option("--anyway", "also where the backups are not as the schedules make them")
    .option("--without-host", "the hosts cannot be reached: their backups do not wait")
    .option("-y, --yes", "do not ask");
  const key = backup.command("key").description("the keys that open the backups");
  define(
    key,
    "export",
    {
      summary: "copy the keys of the repositories from the hosts to this machine",
      more: `Keys that were made on a host (repositories without \`passphrase\`) are lost with it. They are written to a file here, encrypted
with age for \`backups.recipients\`; --plain makes a sheet to print, which only you can read. The host remembers that
they were copied.`,
      examples: [
        ["hostkit backup key export", "into STACK-backup-keys.age, for backups.recipients"],
        ["hostkit backup key export --plain --to /media/usb/keys.txt", "a sheet to print"],
      ],
    },
    async () => (await import("../backup-key.ts")).runKeyExport,
  )
    .option("--to <file>", "the file to write")
    .option("--plain", "not encrypted");
  define(
    key,
    "rotate REPOSITORY",
    {
      summary: "give a repository of files another key",
      more: `Backups of files and volumes alone: restic adds the new key, opens the repository with it, and removes the old one; old backups open
with the new key. One that the host has made is made anew there; of a repository with a \`passphrase\`, change the secret first,
and call this before provision. PostgreSQL's (pgBackRest) cannot be changed: docs/backups.md says what to do instead.`,
      examples: [["hostkit backup key rotate local", "then: hostkit backup key export"]],
    },
    async () => (await import("../backup-key-rotate.ts")).runKeyRotate,
  ).option("-y, --yes", "do not ask");
  defineBackupExport(backup, define);
}
