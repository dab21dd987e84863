import type { Command } from "commander";
import type { Define } from "./verb.ts";

/** `restore files`, `restore volume`, and what takes away what they keep. */
export function defineFileRestores(restore: Command, define: Define): void {
  const common = (command: Command): Command =>
    command
      .option("--to <time>", "from the newest backup of that time (default: the newest of all)")
      .option("--into <directory>", "below this folder of the host, beside what is there")
      .option("--from <repository>", "from this repository (default: the first that has it)")
      .option("--dry-run", "show what would change, and change nothing")
      .option("-y, --yes", "do not ask");
  common(
    define(
      restore,
      "files <PATH...>",
      {
        summary: "bring back files and folders of a host",
        more: `Says what would be added, changed and removed, and asks. The backup is restored beside, compared with what the snapshot has, and
only then put in place, each PATH as a whole; services that have it mounted are stopped meanwhile. What stood there before is
kept in a folder that is named, until \`hostkit restore discard\`.`,
        examples: [
          ["hostkit restore files /etc/my-app --dry-run", "what would change?"],
          ["hostkit restore files /etc/my-app", "as the newest backup has it"],
          [
            "hostkit restore files /srv/in --to 'yesterday 14:05'",
            "as the newest backup before that has it",
          ],
          ["hostkit restore files /srv/in --into /srv/back", "beside: /srv/back/srv/in"],
        ],
      },
      async () => (await import("../restore/files.ts")).runRestoreFiles,
    ),
  );
  common(
    define(
      restore,
      "volume <NAME>",
      {
        summary: "bring back a Docker volume of the stack",
        more: `NAME as in \`backups.files.volumes\`. The services that use it are stopped before and started after, whatever happens; what it held
before is kept until \`hostkit restore discard\`.`,
        examples: [
          ["hostkit restore volume data", "as the newest backup has it"],
          ["hostkit restore volume data --into /srv/back", "beside: /srv/back/data"],
        ],
      },
      async () => (await import("../restore/files.ts")).runRestoreVolume,
    ),
  );
  define(
    restore,
    "discard [RUN...]",
    {
      summary: "remove what restores of files and volumes have kept",
      more: "RUN: the name that the restore said. Without one: of all restores.",
      examples: [
        ["hostkit restore discard", "show what is kept, ask, remove it"],
        ["hostkit restore discard 20261121T010203Z-1a2b", "of this restore"],
      ],
    },
    async () => (await import("../restore/files.ts")).runRestoreDiscard,
  ).option("-y, --yes", "do not ask");
}

/** `backup export` */
export function defineBackupExport(backup: Command, define: Define): void {
  define(
    backup,
    "export",
    {
      summary: "write all data of the stack into a folder here, to be used without hostkit",
      more: `Databases (pg_dump), roles, volumes and backed-up files (tar), checksums, and a page that says how to use them. The folder has its
name only when all of it is there. It holds data and password hashes: only you can read it.`,
      examples: [
        ["hostkit backup export", "a new folder here, named after stack and time"],
        ["hostkit backup export --to /media/usb/shop", "into this one"],
      ],
    },
    async () => (await import("../backup-export.ts")).runBackupExport,
  ).option("--to <directory>", "the folder that is made");
}
