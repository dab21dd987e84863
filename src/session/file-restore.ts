import { HostkitError } from "../errors.ts";
import { keptFacts, restorePlaceFacts } from "../facts/backups/restore-places.ts";
import type { KeptFact } from "../facts/backups/restore-places.ts";
import { snapshotFacts, snapshotSubject } from "../facts/backups/snapshots.ts";
import type { Snapshot } from "../facts/backups/snapshots.ts";
import { need } from "../facts/fact.ts";
import type { Facts } from "../facts/fact.ts";
import { diskFacts } from "../facts/files/disk.ts";
import { targetFacts } from "../facts/units/target.ts";
import { readHostTree, readSnapshotTree } from "../host/file-trees.ts";
import { gatherFacts } from "../host/gather.ts";
import { assertRunOk } from "../host/outcome.ts";
import { compareTrees } from "../plan/restore/file-difference.ts";
import type { FileDifference, FileTree } from "../plan/restore/file-difference.ts";
import { makeOperation } from "../plan/operation.ts";
import { chooseSnapshot, planFileRestore } from "../plan/restore/files.ts";
import type { RestoreItem, RestorePlan } from "../plan/restore/files.ts";
import { formatBytes } from "../report/bytes.ts";
import { formatTime } from "../report/duration.ts";
import type { Connection } from "../ssh/connection.ts";
import { repositoriesOf } from "../stack/backups/storages/storages.ts";
import { targetOf } from "../stack/names.ts";
import { activeUnitNeeds, unitsOfService } from "../stack/services/active-units.ts";
import type { Context } from "./context.ts";
import { newMarker } from "./project.ts";
import type { HostAccess, Project } from "./project.ts";
import { executeRun, showRuns } from "./watch-run.ts";

/** What somebody asked to have back. */
export interface FileRestoreRequest {
  /** The words on the command line. */
  readonly verb: string;
  readonly items: readonly Pick<RestoreItem, "path" | "to">[];
  /** What stands there gives way. */
  readonly isOver: boolean;
  /** Milliseconds since the epoch: the newest backup of that time; absent: the newest. */
  readonly until?: number;
  /** A repository's name. */
  readonly from?: string;
  /** The services that use it. */
  readonly services: readonly string[];
  readonly volume?: string;
}

/** What would happen. */
export interface FileRestorePlan {
  readonly plan: RestorePlan;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Of each item, where something stands in its place and there are not too many names. */
  readonly differences: readonly (FileDifference | undefined)[];
}

/**
 * Looks which snapshot it is, what it has, and what that would change; touches nothing.
 * @throws HostkitError usage where no snapshot has it; run_failed where no repository answers; disk_full
 */
export async function lookAtFileRestore(
  { manifest }: Project,
  connection: Connection,
  request: FileRestoreRequest,
): Promise<FileRestorePlan> {
  const { stack } = manifest;
  const names = chooseRepositories(manifest, request.from);
  const facts = await gatherFacts(
    connection,
    [
      ...names.map((name) => need(snapshotFacts, snapshotSubject(stack, name))),
      ...request.items.flatMap(({ to }) => [
        need(restorePlaceFacts, to),
        need(diskFacts, folderOf(to)),
      ]),
      ...activeUnitNeeds(manifest),
    ],
    newMarker(),
  );
  for (const { to } of request.items) refusePlace(facts, to, request.isOver, connection);
  const { repository, snapshot } = findSnapshot(facts, stack, names, request);
  const place = { stack, repository, snapshot: snapshot.id };
  const items: RestoreItem[] = [];
  const differences: (FileDifference | undefined)[] = [];
  for (const { path, to } of request.items) {
    const wanted = await readSnapshotTree(connection, place, path);
    if (wanted.count === 0) throw await explainMissing(connection, place, path, snapshot);
    items.push({ path, to, count: wanted.count, bytes: wanted.bytes });
    differences.push(await compare(connection, wanted, to, facts));
  }
  refuseFullDisk(facts, items, connection);
  const plan: RestorePlan = {
    ...{ stack, repository, snapshot, items, isOver: request.isOver },
    units: request.services.flatMap((name) => unitsOfService(manifest, name, facts)),
    ...(request.volume === undefined ? {} : { volume: request.volume }),
  };
  return { plan, time: snapshot.time, differences };
}

/** A folder of the host itself first, then by name. */
function chooseRepositories(manifest: Project["manifest"], from: string | undefined): string[] {
  const all = repositoriesOf(manifest, "files");
  if (all.length === 0)
    throw new HostkitError("usage", {
      what: "the manifest has no backups of files",
      next: "add the section `backups.files` (docs/manifest/backups.md), then hostkit provision",
    });
  const sorted = all.toSorted(
    (a, b) =>
      Number(a.storage.hostFolder === undefined) - Number(b.storage.hostFolder === undefined),
  );
  const names = sorted.map(({ name }) => name);
  if (from === undefined) return names;
  if (names.includes(from)) return [from];
  throw new HostkitError("usage", {
    what: `there is no repository ${JSON.stringify(from)} with files`,
    why: `the manifest has: ${names.join(", ")}`,
  });
}

/** The first repository that has one. @throws HostkitError usage, run_failed */
function findSnapshot(
  facts: Facts,
  stack: string,
  names: readonly string[],
  { items, until }: FileRestoreRequest,
): { readonly repository: string; readonly snapshot: Snapshot } {
  const paths = items.map(({ path }) => path);
  const held: string[] = [];
  let isAny = false;
  for (const repository of names) {
    const list = facts.get(snapshotFacts, snapshotSubject(stack, repository));
    if (list?.isThere !== true) {
      held.push(`${repository}: ${list?.said ?? "not provisioned yet"}`);
      continue;
    }
    const snapshot = chooseSnapshot(list.snapshots, paths, until);
    if (snapshot !== undefined) return { repository, snapshot };
    isAny ||= list.snapshots.length > 0;
    held.push(...describeSnapshots(repository, list.snapshots));
  }
  if (!isAny)
    throw new HostkitError("run_failed", {
      what: "there is no backup of files to restore from",
      details: held,
      next: "hostkit backup list",
    });
  const when = until === undefined ? "" : ` of ${formatTime(until / 1000)} UTC or before`;
  throw new HostkitError("usage", {
    what: `no snapshot${when} has ${paths.join(" and ")}`,
    why: "what there is:",
    details: held,
    next: "hostkit backup list",
  });
}

/** What was backed up from when to when: a line for each set of paths. */
function describeSnapshots(repository: string, snapshots: readonly Snapshot[]): string[] {
  const sets = new Map<string, { newest: number; oldest: number; count: number }>();
  for (const { paths, time } of snapshots) {
    const key = paths.join(" ");
    const set = sets.get(key) ?? { newest: time, oldest: time, count: 0 };
    sets.set(key, { newest: set.newest, oldest: time, count: set.count + 1 });
  }
  if (sets.size === 0) return [`${repository}: empty`];
  const at = (time: number): string => `${formatTime(time / 1000)} UTC`;
  return [...sets].map(
    ([paths, { newest, oldest, count }]) =>
      `${repository}: ${paths}, ${count === 1 ? at(newest) : `${count} times from ${at(oldest)} to ${at(newest)}`}`,
  );
}

async function explainMissing(
  connection: Connection,
  place: { readonly stack: string; readonly repository: string; readonly snapshot: string },
  path: string,
  snapshot: Snapshot,
): Promise<HostkitError> {
  const folder = folderOf(path);
  const around = folder === "/" ? undefined : await readSnapshotTree(connection, place, folder);
  const beside = [...(around?.entries?.keys() ?? [])].filter((name) => /^\/[^/]+$/.test(name));
  return new HostkitError("usage", {
    what: `the snapshot of ${formatTime(snapshot.time / 1000)} UTC has no ${path}`,
    why:
      beside.length === 0
        ? `what it has lies below ${snapshot.paths.join(", ")}`
        : `in ${folder} it has:`,
    details: beside.slice(0, 20).map((name) => folder + name),
    next: "--to TIME chooses an older one: hostkit backup list",
  });
}

async function compare(
  connection: Connection,
  wanted: FileTree,
  to: string,
  facts: Facts,
): Promise<FileDifference | undefined> {
  const exists = facts.get(restorePlaceFacts, to)?.exists === true;
  const there = exists ? await readHostTree(connection, to) : { entries: new Map(), ...nothing };
  return compareTrees(there, wanted, to);
}

const nothing = { count: 0, bytes: 0 };

function refusePlace(facts: Facts, to: string, isOver: boolean, connection: Connection): void {
  const place = facts.get(restorePlaceFacts, to);
  const [mount] = place?.mounts ?? [];
  if (mount !== undefined)
    throw new HostkitError("usage", {
      what: `${mount} is a mounted file system: ${to} cannot be put in place as a whole`,
      where: connection.description,
      next: "name what is in it, or restore beside it: --into DIRECTORY",
    });
  if (isOver || place?.exists !== true) return;
  throw new HostkitError("usage", {
    what: `${to} is there already`,
    where: connection.description,
    next: "choose a folder that is not there yet: --into DIRECTORY",
  });
}

/** All of it stands beside what is there until it takes its place. */
function refuseFullDisk(facts: Facts, items: readonly RestoreItem[], connection: Connection): void {
  const needed = new Map<string, { bytes: number; free: number }>();
  for (const { to, bytes } of items) {
    const disk = facts.get(diskFacts, folderOf(to));
    if (disk === undefined) continue;
    const known = needed.get(disk.mount);
    needed.set(disk.mount, { bytes: (known?.bytes ?? 0) + bytes, free: disk.free * 1024 });
  }
  for (const [mount, { bytes, free }] of needed) {
    if (bytes <= free) continue;
    throw new HostkitError("disk_full", {
      what: `there is no room beside what is there: it takes ${formatBytes(bytes)}, and ${formatBytes(free)} are free`,
      where: `${mount} on ${connection.description}`,
      why: "nothing was changed",
      next: "free room, restore a part of it, or put it on another file system: --into DIRECTORY",
    });
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** How it is afterwards, by a look at the host. */
export interface FileRestoreResult {
  readonly run: string;
  readonly kept: readonly KeptFact[];
  readonly units: readonly { readonly unit: string; readonly activeState: string }[];
}

/** Carries it out, and looks. @throws HostkitError run_failed … */
export async function carryOutFileRestore(
  context: Context,
  project: Project,
  host: HostAccess,
  connection: Connection,
  verb: string,
  plan: RestorePlan,
): Promise<FileRestoreResult> {
  const { stack } = project.manifest;
  const operation = makeOperation({
    ...{ verb, host: host.name, stack, stackDirectory: project.stackDirectory },
    steps: planFileRestore(plan),
  });
  const outcome = await showRuns(
    context,
    project,
    (show) => executeRun(context, project, host, connection, operation, show),
    "live-only",
  );
  assertRunOk(outcome, host.name);
  const target = targetOf(stack);
  const facts = await gatherFacts(
    connection,
    [need(keptFacts, stack), need(targetFacts, target)],
    newMarker(),
  );
  const { runId } = outcome.run;
  return {
    run: runId,
    kept: (facts.get(keptFacts, stack) ?? []).filter(({ run }) => run === runId),
    units: (facts.get(targetFacts, target) ?? [])
      .filter(({ unit }) => plan.units.includes(unit))
      .map(({ unit, activeState }) => ({ unit, activeState })),
  };
}
