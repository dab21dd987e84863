import type { Manifest } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import { restoreRecord, restoreRecordId } from "../../resources/backups/restore-record.ts";
import { restoredCluster } from "../../resources/backups/restored-cluster.ts";
import { restoredFiles } from "../../resources/backups/restored-files.ts";
import { fileId } from "../../resources/files/file.ts";
import { postgresClusterId } from "../../resources/postgres/cluster.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import { placeOfCluster, postgresMajorOf } from "../database/database-place.ts";
import { packagesId } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { configDirectoryOf, stackDirectoryOf } from "../names.ts";
import { runningIdOf } from "../services/start-order.ts";
import { pathsOf } from "./files.ts";
import { backupPlaces } from "./jobs.ts";
import { numberRepositories } from "./postgres.ts";
import { hostFolderOf, repositoriesOf } from "./storages/storages.ts";

/** Each thing with what it has to wait for besides. */
type Waits = (resource: Resource) => readonly ResourceId[];

/**
 * Puts among the resources of a stack those that bring it back from a repository: always, since only the host knows whether that was begun.
 * What holds data, or starts something that makes data, waits for them.
 */
export function addRestoreFrom(inputs: StackInputs, resources: readonly Resource[]): Resource[] {
  const { manifest } = inputs;
  const { stack } = manifest;
  const recordId = restoreRecordId(stack);
  const all = (["postgres", "files"] as const).flatMap((tool) => repositoriesOf(manifest, tool));
  const record = restoreRecord(stack, {
    stackDirectory: stackDirectoryOf(stack),
    repositories: [...new Set(all.map(({ name }) => name))],
    ...askedFor(inputs),
  });
  const cluster = resolveCluster(inputs, resources);
  const files = resolveFiles(inputs, resources);
  const waits: Waits[] = [
    ({ kind }) => (kind === "packages" ? [recordId] : []),
    ...(cluster === undefined ? [] : [waitForCluster(cluster)]),
    ...(files === undefined ? [] : [waitForFiles(manifest, files, resources)]),
  ];
  const behind = resources.map((resource) => {
    const more = waits.flatMap((wait) => wait(resource));
    return more.length === 0
      ? resource
      : { ...resource, after: [...(resource.after ?? []), ...more] };
  });
  return [record, ...[cluster, files].filter((one) => one !== undefined), ...behind];
}

function askedFor({ restoreFrom }: StackInputs) {
  return restoreFrom === undefined ? {} : { asked: restoreFrom };
}

function resolveCluster(inputs: StackInputs, resources: readonly Resource[]): Resource | undefined {
  const { manifest, system } = inputs;
  const { stack, database, backups } = manifest;
  if (database === undefined || backups?.postgres === undefined) return undefined;
  const major = postgresMajorOf(database, system);
  const list = numberRepositories(manifest);
  const folders = list.flatMap(({ storage }) => hostFolderOf(storage, "postgres") ?? []);
  return restoredCluster({
    ...{ stack, major, stackDirectory: stackDirectoryOf(stack) },
    data: placeOfCluster(major, system).data,
    backupLock: backupPlaces(stack).lock,
    ...askedFor(inputs),
    ways: Object.fromEntries(
      list.map(({ name, number, storage }) => {
        const folder = hostFolderOf(storage, "postgres");
        // On a disk that comes from another machine it belongs to a number.
        const owned =
          folder === undefined ? [] : [sh`hk_folder ${folder} 0700 postgres postgres deep`];
        return [name, { number, prepare: joinScripts([...storage.prepare("postgres"), ...owned]) }];
      }),
    ),
    after: [
      ...[packagesId, postgresClusterId(major), restoreRecordId(stack)],
      ...idsBelow(resources, ["/etc/pgbackrest", ...folders]),
    ],
  });
}

function resolveFiles(inputs: StackInputs, resources: readonly Resource[]): Resource | undefined {
  const { manifest } = inputs;
  const { stack, backups } = manifest;
  if (backups?.files === undefined) return undefined;
  const places = backupPlaces(stack);
  const list = repositoriesOf(manifest, "files");
  const folders = list.flatMap(({ storage }) => hostFolderOf(storage, "files") ?? []);
  const before = new Set(["user", "volume", "deb"]);
  return restoredFiles(stack, {
    stackDirectory: stackDirectoryOf(stack),
    paths: pathsOf(manifest),
    program: places.script("files"),
    backupLock: places.lock,
    ...askedFor(inputs),
    ways: Object.fromEntries(
      list.map(({ name, storage }) => [name, joinScripts(storage.prepare("files"))]),
    ),
    after: [
      ...[packagesId, restoreRecordId(stack), fileId(places.script("files"))],
      ...idsBelow(resources, [`${configDirectoryOf(stack)}/backup`, ...folders]),
      ...resources.filter(({ kind }) => before.has(kind)).map(idOf),
    ],
  });
}

/** Folders of which hostkit writes everything itself. */
export function isWrittenByHostkit(stack: string, path: string): boolean {
  return [
    configDirectoryOf(stack),
    stackDirectoryOf(stack),
    "/usr/local/lib/hostkit",
    "/etc/pgbackrest",
  ].some((folder) => isAtOrBelow(path, folder));
}

function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/** Files and folders at or below these. */
function idsBelow(resources: readonly Resource[], folders: readonly string[]): ResourceId[] {
  return resources
    .filter((one) => {
      const path = pathOf(one);
      return path !== undefined && folders.some((folder) => isAtOrBelow(path, folder));
    })
    .map(idOf);
}

function pathOf(resource: Resource): string | undefined {
  const kinds = ["file", "directory", "block", "json-file", "backup-passphrase"];
  return kinds.includes(resource.kind)
    ? (resource as Resource & { path?: string }).path
    : undefined;
}

/** Applying settings starts the server. */
function waitForCluster(cluster: Resource): Waits {
  return ({ kind }) => (kind === "postgres-settings" ? [idOf(cluster)] : []);
}

/** Whatever runs, the backups, and what hostkit writes where something is brought back. */
function waitForFiles(manifest: Manifest, files: Resource, resources: readonly Resource[]): Waits {
  const { stack } = manifest;
  const running = new Set(servicesOf(manifest).map((service) => runningIdOf(stack, service)));
  const needed = ancestorsOf(files, resources);
  const paths = pathsOf(manifest);
  const waits = (resource: Resource): boolean => {
    const path = pathOf(resource);
    return (
      running.has(idOf(resource)) ||
      (resource.kind === "unit" && /-(?:backup|drill)-\w+\.timer$/.test(resource.name)) ||
      (resource.kind === "backup-first" && resource.name === "files") ||
      (path !== undefined && paths.some((one) => isAtOrBelow(path, one)))
    );
  };
  return (resource) => (!needed.has(idOf(resource)) && waits(resource) ? [idOf(files)] : []);
}

function ancestorsOf(one: Resource, resources: readonly Resource[]): ReadonlySet<ResourceId> {
  const byId = new Map(resources.map((resource) => [idOf(resource), resource]));
  const found = new Set<ResourceId>();
  const visit = (ids: readonly ResourceId[]): void => {
    for (const id of ids) {
      if (found.has(id)) continue;
      found.add(id);
      visit(byId.get(id)?.after ?? []);
    }
  };
  visit(one.after ?? []);
  return found;
}
