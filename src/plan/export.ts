import { clientProgram, psqlScript } from "../facts/postgres/psql.ts";
import { quoteLiteral } from "../facts/postgres/sql.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { servicesOf } from "../manifest/services.ts";
import { commandScript, joinScripts, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import { volumePath } from "../stack/names.ts";
import { backupPlaces } from "../stack/backups/jobs.ts";

import { copyPath, isCopied, listQuiesceGroups } from "../stack/backups/quiesce-groups.ts";
import type { QuiesceGroup } from "../stack/backups/quiesce-groups.ts";

/** One file of an export. */
export interface ExportItem {
  readonly kind: "database" | "roles" | "volume" | "files";
  /** A database, a volume, a path. */
  readonly name: string;
  /** In the export. */
  readonly file: string;
  /** Prints on one line how many bytes it is about, and how many names; nothing where it is not there. */
  readonly measure: Script;
  /** Prints it. */
  readonly print: Script;
}

/** What a stack has that nothing can make again: databases with their roles, volumes, files that are backed up. */
export function listExportItems(
  { stack, services, web, database, backups }: Manifest,
  major: number,
): ExportItem[] {
  const volumes = servicesOf({ services, web }).flatMap((service) =>
    service.volumes.flatMap((one) => (one.kind === "named" ? [one.name] : [])),
  );
  const groups = listQuiesceGroups({ stack, services, web, ...(backups && { backups }) });
  return [
    ...(database === undefined ? [] : [rolesItem(major)]),
    ...(database?.databases ?? []).map(({ name }) => databaseItem(major, name)),
    ...[...new Set(volumes)].sort().map((name): ExportItem => {
      const path = volumePath(stack, name);
      const group = groups.find((one) => one.volumes.includes(name));
      return {
        ...{ kind: "volume", name, file: `volumes/${name}.tar` },
        measure: measureFolder(path),
        print:
          group === undefined ? tarScript(path, ".") : quiescedScript(stack, group, name, path),
      };
    }),
    ...(backups?.files?.paths ?? []).map((path, index): ExportItem => {
      const readable = path.replaceAll(/^\/+|\/+$/g, "").replaceAll(/[^\w.-]+/g, "-");
      return {
        // The number keeps `/a/b` and `/a-b` apart.
        ...{ kind: "files", name: path, file: `files/${index + 1}-${readable.slice(0, 100)}.tar` },
        ...{ measure: measureFolder(path), print: tarScript("/", `.${path}`) },
      };
    }),
  ];
}

function rolesItem(major: number): ExportItem {
  return {
    ...{ kind: "roles", name: "roles", file: "roles.sql" },
    measure: sh`echo 65536 1`,
    // pg_dumpall looks for pg_dump from where it stands, which root's home is no place for.
    print: sh`cd / && ${clientProgram(major, "pg_dumpall", sh`--globals-only --lock-wait-timeout=60000`)}`,
  };
}

function databaseItem(major: number, name: string): ExportItem {
  const size = `select pg_database_size(oid) || ' 1' from pg_database where datname = ${quoteLiteral(name)}`;
  return {
    ...{ kind: "database", name, file: `databases/${name}.dump` },
    measure: psqlScript(major, "postgres", ["-c", size]),
    print: sh`cd / && ${clientProgram(major, "pg_dump", sh`-Fc --lock-wait-timeout=60000`)} -d ${name}`,
  };
}

function measureFolder(path: string): Script {
  return sh`if [ -e ${path} ] || [ -L ${path} ]; then
  echo "$(du -s -B1 --apparent-size -- ${path} | cut -f 1) $(du -s --inodes -- ${path} | cut -f 1)"
fi`;
}

/** All that tar can keep. Holes are told by the file system: GNU tar finds them by SEEK_HOLE. */
function tarScript(folder: string, what: string): Script {
  return commandScript([
    ...["tar", "--create", "--format=posix", "--numeric-owner", "--sparse"],
    ...["--acls", "--xattrs", "--xattrs-include=*", `--directory=${folder}`, "--", what],
  ]);
}

/**
 * A volume as a backup has it: copied at a moment of rest. 3: it cannot be; tar's own 1 and 2 say something else. No backup is made
 * meanwhile, and however it ends, the copy goes and what stood still is started.
 */
function quiescedScript(stack: string, group: QuiesceGroup, name: string, path: string): Script {
  const places = backupPlaces(stack);
  const unit = places.quiesceUnit(group.name);
  return sh`[ -x ${places.quiesce} ] || { echo "the host does not know yet how to copy it consistently: hostkit provision" >&2; exit 3; }
exec 7<${places.lock}
flock -w 3600 7 || { echo "a backup has been running for an hour" >&2; exit 3; }
trap ${`systemctl stop -- ${unit}`} EXIT
trap ${"exit 143"} HUP INT TERM
if ! systemctl restart -- ${unit}; then
  tail -n 3 ${`${places.quiesced}/${group.name}.cause`} >&2
  systemctl reset-failed -- ${unit}
  exit 3
fi
${tarScript(isCopied(group) ? copyPath(stack, name) : path, ".")}
exit`;
}

/** One line an item, in their order: "BYTES NAMES", or nothing. */
export function measureScript(items: readonly ExportItem[]): Script {
  return joinScripts(items.map(({ measure }) => sh`echo "is $(${measure})"`));
}

/** @returns of each item what `measureScript` printed; undefined where it is not there */
export function readMeasures(
  stdout: string,
): ({ readonly bytes: number; readonly names: number } | undefined)[] {
  return [...stdout.matchAll(/^is ?(?:(\d+) (\d+))?$/gm)].map(([, bytes, names]) =>
    bytes === undefined ? undefined : { bytes: Number(bytes), names: Number(names) },
  );
}

/** More than this is not what was measured: a database is packed, tar adds at most some KiB for each name. */
export function boundOf({
  bytes,
  names,
}: {
  readonly bytes: number;
  readonly names: number;
}): number {
  return 2 * bytes + 8192 * names + 1024 ** 3;
}

/** An item that was written. */
export interface ExportedItem {
  readonly item: ExportItem;
  readonly bytes: number;
  readonly sha256: string;
  /** Something in it changed while it was read. */
  readonly isInMotion: boolean;
}

/** What sha256sum(1) reads. */
export function renderChecksums(items: readonly ExportedItem[]): string {
  return items.map(({ item, sha256 }) => `${sha256}  ${item.file}\n`).join("");
}

export interface ExportNotes {
  readonly stack: string;
  readonly host: string;
  /** `2026-11-21 14:05` UTC */
  readonly time: string;
  readonly major: number;
  readonly items: readonly ExportedItem[];
  /** What the manifest names and the host has not. */
  readonly missing: readonly ExportItem[];
}

/** The page that says how all of it is used without hostkit. */
export function renderExportPage(notes: ExportNotes): string {
  const { stack, host, time, major, items, missing } = notes;
  const of = (kind: ExportItem["kind"]): ExportItem[] =>
    items.flatMap(({ item }) => (item.kind === kind ? [item] : []));
  const named = (list: readonly ExportItem[], key: "name" | "file"): string =>
    list.map((item) => `\`${item[key]}\``).join(", ");
  const moved = items.flatMap(({ item, isInMotion }) => (isInMotion ? [item] : []));
  const blocks = [
    `# ${stack}, from ${host}, ${time} UTC`,
    "What the stack had that nothing can make again. None of it needs hostkit.",
    "Is it whole?",
    codeBlock(sh`sha256sum --check SHA256SUMS`),
    missing.length === 0 ? "" : `Not on the host, and so not in here: ${named(missing, "name")}.`,
    moved.length === 0
      ? ""
      : `Was written to while it was read, so that its files may be of different moments: ${named(moved, "file")}. For one moment: stop the service, export, start it.`,
    ...(of("roles").length === 0 ? [] : explainDatabases(of("database"), major)),
    ...explainVolumes(of("volume")),
    ...explainFiles(of("files")),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function codeBlock(...scripts: readonly Script[]): string {
  return `\`\`\`\n${joinScripts(scripts).text}\n\`\`\``;
}

function explainDatabases(databases: readonly ExportItem[], major: number): string[] {
  return [
    `## Databases (PostgreSQL ${major}, or newer)`,
    "`roles.sql` holds the roles, and the hashes of those passwords that there are: keep it to yourself. A role that is there already is told as an error, which does no harm. As the superuser of the new server:",
    codeBlock(
      sh`psql -X -d postgres -f roles.sql`,
      ...databases.map(({ file }) => sh`pg_restore --create --exit-on-error -d postgres ${file}`),
    ),
    "One table, or into a database of another name: `pg_restore --list FILE`, `pg_restore -t TABLE -d DATABASE FILE`.",
  ];
}

/** tar with all that it was packed with. */
function unpack(file: string, folder: Script): Script {
  return sh`tar --extract --numeric-owner --acls --xattrs --xattrs-include=${"*"} -f ${file} -C ${folder}`;
}

function explainVolumes(volumes: readonly ExportItem[]): string[] {
  if (volumes.length === 0) return [];
  return [
    "## Volumes",
    "Each is the content of one Docker volume, with numbers for owners. Into a new volume, as root:",
    codeBlock(
      ...volumes.flatMap(({ name, file }) => [
        sh`docker volume create ${name}`,
        unpack(file, sh`"$(docker volume inspect -f ${"{{.Mountpoint}}"} ${name})"`),
      ]),
    ),
  ];
}

function explainFiles(files: readonly ExportItem[]): string[] {
  if (files.length === 0) return [];
  return [
    "## Files",
    "As root, below a folder of your choice; with `/` they go where they were:",
    codeBlock(
      sh`mkdir -p brought-back`,
      ...files.map(({ file }) => unpack(file, sh`brought-back`)),
    ),
  ];
}
