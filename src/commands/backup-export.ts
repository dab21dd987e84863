import path from "node:path";
import { HostkitError } from "../errors.ts";
import { need } from "../facts/fact.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { measureItems, streamItem } from "../host/export.ts";
import type { MeasuredItem } from "../host/export.ts";
import { gatherFacts } from "../host/gather.ts";
import { checkSystem } from "../host/inspect.ts";
import { makeExportFolder } from "../local/export-folder.ts";
import type { ExportFolder } from "../local/export-folder.ts";
import { listExportItems, renderChecksums, renderExportPage } from "../plan/export.ts";
import type { ExportedItem, ExportItem } from "../plan/export.ts";
import { formatBytes } from "../report/bytes.ts";
import { formatTime } from "../report/duration.ts";
import type { Connection } from "../ssh/connection.ts";
import { postgresMajorOf } from "../stack/database/database-place.ts";
import type { Context } from "../session/context.ts";
import { newMarker, onEachHost, openProject } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";
import type { Verb } from "./line/verb.ts";

interface ExportOptions {
  readonly to?: string;
}

/** All that nothing can make again, into a folder here, for whoever goes on without hostkit. */
export const runBackupExport: Verb<ExportOptions> = async (context, options) => {
  const project = await openProject(context);
  const { stack } = project.manifest;
  const now = Date.now();
  const time = formatTime(now / 1000);
  const named = options.to ?? `${stack}-export-${time.replaceAll(/[-:]/g, "").replace(" ", "-")}`;
  const folder = await makeExportFolder(path.resolve(context.terminal.workingDirectory, named));
  const leave = new AbortController();
  const unlisten = context.terminal.onInterrupt(() => leave.abort());
  try {
    const hosts = await onEachHost(project.hosts, (connection, host) =>
      exportHost({ context, project, folder, connection, host, time, signal: leave.signal }),
    );
    await folder.finish();
    tell(context, folder.path, hosts);
  } catch (error) {
    await folder.abandon();
    throw error;
  } finally {
    unlisten();
  }
};

interface Place {
  readonly context: Context;
  readonly project: Project;
  readonly folder: ExportFolder;
  readonly connection: Connection;
  readonly host: HostAccess;
  readonly time: string;
  readonly signal: AbortSignal;
}

interface HostExport {
  readonly host: string;
  readonly items: readonly ExportedItem[];
  readonly missing: readonly ExportItem[];
}

async function exportHost(place: Place): Promise<HostExport> {
  const { project, folder, connection, host, time } = place;
  const { manifest } = project;
  const facts = await gatherFacts(connection, [need(systemFacts, systemSubject)], newMarker());
  const system = facts.get(systemFacts, systemSubject);
  checkSystem(system, connection);
  const major = manifest.database === undefined ? 0 : postgresMajorOf(manifest.database, system);
  const wanted = listExportItems(manifest, major);
  const measured = await measureItems(connection, wanted);
  await refuseFullDisk(folder, measured);
  // With several hosts each has a folder of its own.
  const at = project.hosts.length === 1 ? "" : `${host.name}/`;
  const items: ExportedItem[] = [];
  for (const one of measured) items.push(await exportItem(place, one, at));
  const missing = wanted.filter((item) => !measured.some((one) => one.item === item));
  const { stack } = manifest;
  await folder.write(`${at}SHA256SUMS`, renderChecksums(items));
  await folder.write(
    `${at}README.md`,
    renderExportPage({ stack, host: host.name, time, major, items, missing }),
  );
  return { host: host.name, items, missing };
}

/** Every so often it is said how far it is. */
const sayEveryMs = 5000;

async function exportItem(
  { context, folder, connection, host, signal }: Place,
  measured: MeasuredItem,
  at: string,
): Promise<ExportedItem> {
  const { item, bytes: expected } = measured;
  const about = `${host.name}: ${item.kind === "roles" ? "" : `${item.kind} `}${item.name}`;
  const say = (text: string): void => {
    if (context.options.json !== true) context.note(`${about}, ${text}`);
  };
  say(`about ${formatBytes(expected)} …`);
  const file = await folder.open(at + item.file);
  let seen = 0;
  let said = Date.now();
  let isInMotion: boolean;
  try {
    isInMotion = await streamItem(
      connection,
      measured,
      (chunk) => {
        seen += chunk.length;
        if (Date.now() - said > sayEveryMs) {
          said = Date.now();
          say(`${formatBytes(seen)} so far`);
        }
        return file.write(chunk);
      },
      signal,
    );
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
  return { item, isInMotion, ...(await file.close()) };
}

async function refuseFullDisk(
  folder: ExportFolder,
  measured: readonly MeasuredItem[],
): Promise<void> {
  const needed = measured.reduce((sum, { bytes }) => sum + bytes, 0);
  const free = await folder.free();
  if (needed <= free) return;
  throw new HostkitError("disk_full", {
    what: `there is no room for the export: it may take ${formatBytes(needed)}, and ${formatBytes(free)} are free`,
    where: path.dirname(folder.path),
    next: "put it elsewhere: --to DIRECTORY",
  });
}

function tell(context: Context, folder: string, hosts: readonly HostExport[]): void {
  if (context.options.json === true) {
    const described = hosts.map(({ host, items, missing }) => ({
      host,
      items: items.map(({ item, bytes, sha256, isInMotion }) => ({
        ...{ kind: item.kind, name: item.name, file: item.file, bytes, sha256 },
        ...(isInMotion ? { changedMeanwhile: true } : {}),
      })),
      missing: missing.map(({ name }) => name),
    }));
    context.print(JSON.stringify({ folder, hosts: described }));
    return;
  }
  const { green, yellow } = context.colors;
  for (const { host, items, missing } of hosts) {
    const bytes = items.reduce((sum, one) => sum + one.bytes, 0);
    context.print(`${green("✓")} ${host}: ${items.length} files, ${formatBytes(bytes)}`);
    for (const { item, isInMotion } of items)
      if (isInMotion)
        context.print(`  ${yellow("!")} ${item.name} was written to while it was read`);
    for (const { name } of missing) context.print(`  ${yellow("!")} ${name} is not on the host`);
  }
  context.print(`  in ${folder}; its README.md says how to use them without hostkit`);
}
