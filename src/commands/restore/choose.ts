import { HostkitError } from "../../errors.ts";
import { nameRestore } from "../../facts/postgres/restore.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { estimateDuration } from "../../plan/restore/duration.ts";
import { formatUtc } from "../../plan/restore/moment.ts";
import { chooseReach, findReaches, spansOf } from "../../plan/restore/reach.ts";
import type { Reach } from "../../plan/restore/reach.ts";
import { describeTarget, parseTarget } from "../../plan/restore/target.ts";
import type { RestoreTarget } from "../../plan/restore/target.ts";
import { formatTime } from "../../report/duration.ts";
import type { RestorePreview, SourcePreview } from "../../report/restore.ts";
import type { HostAccess } from "../../session/project.ts";
import { repositoriesOf } from "../../stack/backups/storages/storages.ts";
import { nameRepository } from "./cluster.ts";
import type { SeenCluster } from "./cluster.ts";

/** One at a time waits for a word: a second one would have no place for what the first put aside. */
export function refuseWaiting({ restore: { state }, live }: SeenCluster, host: HostAccess): void {
  if (state === undefined) return;
  // A database that waits in a cluster that does not answer stands aside with all of it.
  if (state.kind === "database" && live === undefined) return;
  const isInPlace =
    state.stage === "swapped" || (state.stage === "swapping" && state.served === "new");
  if (!isInPlace && state.stage !== "confirming") return;
  throw new HostkitError("usage", {
    what: `${nameRestore(state)} waits for a word`,
    where: host.name,
    why: `it is in place since ${formatTime(state.swapped ?? state.began)} UTC, and what was there before stands aside`,
    next: "hostkit restore confirm   keeps it; hostkit restore undo   goes back",
  });
}

/** @throws HostkitError usage for what is no moment, or none that can have been */
export function readTarget(text: string, { now, restore }: SeenCluster): RestoreTarget {
  const parsed = parseTarget(text, { now: now * 1000, zone: restore.zone });
  if ("target" in parsed) {
    const { target } = parsed;
    if (target.kind !== "name") return target;
    const point = restore.points.findLast(({ name }) => name === target.value);
    return point === undefined ? target : { ...target, point };
  }
  throw new HostkitError("usage", {
    what: `--to: ${parsed.wrong}`,
    why: `on the host it is ${formatUtc(now * 1000)} UTC${restore.zone === "" ? "" : `, its zone is ${restore.zone}`}`,
    ...(parsed.next === undefined ? {} : { next: parsed.next }),
  });
}

/** What the backups lead to, as far as the cluster can archive what it has. */
export function reachesOf({ live, restore, major, now }: SeenCluster): Reach[] {
  const canArchive = live !== undefined && (live.archiveFailure ?? null) === null;
  return findReaches(restore, major, canArchive ? now : undefined);
}

/**
 * The backup that leads to the target.
 * @throws HostkitError usage where none does, with the spans that can be had
 */
export function findReach(
  manifest: Manifest,
  { from, set }: { readonly from?: string; readonly set?: string },
  seen: SeenCluster,
  target: RestoreTarget,
  host: HostAccess,
): Reach {
  const names = repositoriesOf(manifest, "postgres").map(({ name }) => name);
  if (from !== undefined && !names.includes(from))
    throw new HostkitError("usage", {
      what: `PostgreSQL is not backed up to ${JSON.stringify(from)}`,
      why: `its repositories are: ${names.join(", ")}`,
    });
  const reaches = reachesOf(seen).filter(
    (one) =>
      (from === undefined || one.set.repository === names.indexOf(from) + 1) &&
      (set === undefined || one.set.label === set),
  );
  const reach = chooseReach(target, reaches, set !== undefined);
  if (reach !== undefined) return reach;
  throw explainNoReach(reaches, target, host, seen.restore.trouble);
}

function explainNoReach(
  reaches: readonly Reach[],
  target: RestoreTarget,
  host: HostAccess,
  trouble: string | undefined,
): HostkitError {
  const spans = spansOf(reaches).map(
    ({ from: begin, until }) => `${formatUtc(begin * 1000)} to ${formatUtc(until * 1000)} UTC`,
  );
  return new HostkitError("usage", {
    what:
      reaches.length === 0
        ? "no backup can be brought back"
        : `no backup leads to ${describeTarget(target)}`,
    where: host.name,
    why:
      trouble ??
      (reaches.length === 0
        ? "there is none with all its WAL"
        : "it lies before the first backup, or where WAL is missing"),
    details: spans.map((span) => `can be had: ${span}`),
    next:
      reaches.length === 0
        ? "hostkit backup list"
        : "hostkit restore postgres --to TIME, in one of these spans",
  });
}

function describeAge(target: RestoreTarget, now: number): { readonly age?: number } {
  if (target.kind === "time") return { age: now - target.milliseconds / 1000 };
  if (target.kind === "name" && target.point !== undefined) return { age: now - target.point.time };
  return {};
}

/** What it comes from, for whoever reads it before it is done. */
export function describeSource(
  manifest: Manifest,
  host: HostAccess,
  seen: SeenCluster,
  target: RestoreTarget,
  reach: Reach,
): SourcePreview {
  const { major, now, restore, drills } = seen;
  const { set, until, isOpen, lastWal } = reach;
  const repository = nameRepository(manifest, set.repository);
  const duration = estimateDuration(drills, repository, { target, reach, restore });
  const isToNow = isOpen && until === now;
  return {
    host: host.name,
    cluster: `${major}/main`,
    target: describeTarget(target),
    ...describeAge(target, now),
    set: {
      label: set.label,
      type: { full: "full", diff: "differential", incr: "incremental" }[set.type],
      repository,
    },
    ...(duration === undefined ? {} : { duration }),
    now,
    firstWal: set.firstWal,
    lastWal,
    newest: isToNow
      ? "now: what is not archived yet is archived first"
      : `${formatUtc(until * 1000)} UTC, WAL ${lastWal}${isOpen ? "" : "; behind it WAL is missing"}`,
  };
}

/** What an earlier restore left, and goes. */
export function describeLeftover(
  state: SeenCluster["restore"]["state"],
): Pick<RestorePreview, "leftover"> {
  if (state === undefined) return {};
  const what =
    state.stage === "undone" ? "was undone" : "an earlier restore did not bring to its end";
  return { leftover: `what ${what} goes from beside (${nameRestore(state)})` };
}
