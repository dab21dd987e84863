import { HostkitError } from "../../errors.ts";
import { assertRunOk } from "../../host/outcome.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { makeOperation } from "../../plan/operation.ts";
import { planClusterRestore } from "../../plan/restore/postgres.ts";
import type { ClusterRestore } from "../../plan/restore/postgres.ts";
import { formatUtc } from "../../plan/restore/moment.ts";
import { chooseReach, findReaches, spansOf } from "../../plan/restore/reach.ts";
import type { Reach } from "../../plan/restore/reach.ts";
import { describeTarget, parseTarget } from "../../plan/restore/target.ts";
import type { RestoreTarget } from "../../plan/restore/target.ts";
import { formatBytes } from "../../report/bytes.ts";
import { formatTime } from "../../report/duration.ts";
import { renderRestorePreview, summarizeCounts } from "../../report/restore.ts";
import type { RestorePreview } from "../../report/restore.ts";
import type { Context } from "../../session/context.ts";
import { chooseOneHost } from "../../session/one-host.ts";
import { openProject } from "../../session/project.ts";
import type { HostAccess, Project } from "../../session/project.ts";
import { confirmOrRefuse, executeRun, showRuns } from "../../session/watch-run.ts";
import type { Connection } from "../../ssh/connection.ts";
import { repositoriesOf } from "../../stack/backups/storages/storages.ts";
import type { Verb } from "../line/verb.ts";
import { assertBackedUp, lookAtCluster, nameRepository } from "./cluster.ts";
import type { SeenCluster } from "./cluster.ts";

export interface RestorePostgresOptions {
  readonly to: string;
  /** A repository's name. */
  readonly from?: string;
  /** A backup's label. */
  readonly set?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** Brings the stack's whole cluster back to a moment; says so first. */
export const runRestorePostgres: Verb<RestorePostgresOptions> = async (context, options) => {
  const project = await openProject(context);
  assertBackedUp(project.manifest);
  const host = chooseOneHost(project, "hostkit restore postgres");
  const connection = await host.connect();
  try {
    const seen = await lookAtCluster(connection, project);
    refuseWaiting(seen, host);
    const target = readTarget(options.to, seen);
    const reach = findReach(project.manifest, options, seen, target, host);
    const preview = describe(project.manifest, host, seen, target, reach);
    refuseWithoutRoom(preview, seen);
    if (context.options.json !== true) context.print(renderRestorePreview(preview, context.colors));
    if (options.dryRun === true) {
      if (context.options.json === true) context.print(JSON.stringify({ done: false, ...preview }));
      return;
    }
    await confirmOrRefuse(context, "Restore it?", options.yes === true);
    await restore({ context, project, host, connection }, seen, target, reach, preview);
  } finally {
    await connection.close();
  }
};

interface Place {
  readonly context: Context;
  readonly project: Project;
  readonly host: HostAccess;
  readonly connection: Connection;
}

async function restore(
  { context, project, host, connection }: Place,
  seen: SeenCluster,
  target: RestoreTarget,
  reach: Reach,
  preview: RestorePreview,
): Promise<void> {
  const { manifest, stackDirectory } = project;
  const asked: ClusterRestore = {
    place: seen.place,
    id: `${seen.now}-${reach.set.label}`,
    target,
    set: reach.set,
    timeline: seen.restore.timeline,
    isUp: seen.live !== undefined,
    units: seen.units,
    ...seen.proof,
  };
  const plan = makeOperation({
    ...{ verb: "restore postgres", host: host.name, stack: manifest.stack, stackDirectory },
    steps: planClusterRestore(asked),
  });
  const outcome = await showRuns(context, project, async (show) =>
    executeRun(context, project, host, connection, plan, show),
  );
  assertRunOk(outcome, host.name);
  const after = await lookAtCluster(connection, project);
  if (after.restore.state?.stage !== "swapped" || after.restore.state.served !== "new")
    throw new HostkitError("proof_failed", {
      what: "the run ended well, and the restored data is not in the cluster's place",
      where: host.name,
      next: "hostkit restore undo",
    });
  const warnings = outcome.failed.map(({ title, log }) => `${title}: ${log.at(-1) ?? "failed"}`);
  if (context.options.json === true)
    context.print(
      JSON.stringify({ done: true, ...preview, counts: after.restore.counts, warnings }),
    );
  else showRestored(context, preview, after.restore, warnings);
}

function showRestored(
  context: Context,
  preview: RestorePreview,
  { counts, state }: SeenCluster["restore"],
  warnings: readonly string[],
): void {
  const { colors } = context;
  for (const line of warnings) context.print(`${colors.yellow("!")} ${preview.host}: ${line}`);
  context.print(
    [
      `${colors.green("✓")} ${preview.host}: PostgreSQL ${preview.cluster} is as of ${preview.target}`,
      ...summarizeCounts(counts).map((line) => `  ${line}`),
      ...(state?.asideBytes === undefined
        ? ["  there was no data before; hostkit restore confirm   begins a full backup"]
        : [
            `  the data from before stands aside (${formatBytes(state.asideBytes)})`,
            "  keep what is there now: hostkit restore confirm   go back: hostkit restore undo",
          ]),
    ].join("\n"),
  );
}

/** One at a time waits for a word: a second one would have no place for what the first put aside. */
function refuseWaiting({ restore: { state } }: SeenCluster, host: HostAccess): void {
  if (state === undefined) return;
  const isInPlace =
    state.stage === "swapped" || (state.stage === "swapping" && state.served === "new");
  if (!isInPlace && state.stage !== "confirming") return;
  throw new HostkitError("usage", {
    what: `the restore to ${state.target} waits for a word`,
    where: host.name,
    why: `its data is in the cluster's place since ${formatTime(state.swapped ?? state.began)} UTC, and what was there before stands aside`,
    next: "hostkit restore confirm   keeps it; hostkit restore undo   goes back",
  });
}

function readTarget(text: string, { now, restore }: SeenCluster): RestoreTarget {
  const parsed = parseTarget(text, { now: now * 1000, zone: restore.zone });
  if ("target" in parsed) return parsed.target;
  throw new HostkitError("usage", {
    what: `--to: ${parsed.wrong}`,
    why: `on the host it is ${formatUtc(now * 1000)} UTC${restore.zone === "" ? "" : `, its zone is ${restore.zone}`}`,
    ...(parsed.next === undefined ? {} : { next: parsed.next }),
  });
}

function findReach(
  manifest: Manifest,
  { from, set }: Pick<RestorePostgresOptions, "from" | "set">,
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
  const canArchive =
    seen.live !== undefined &&
    (seen.live.archiveFailure === undefined || seen.live.archiveFailure === null);
  const reaches = findReaches(seen.restore, seen.major, canArchive ? seen.now : undefined).filter(
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

function describe(
  manifest: Manifest,
  host: HostAccess,
  seen: SeenCluster,
  target: RestoreTarget,
  { set, until, isOpen, lastWal }: Reach,
): RestorePreview {
  const { live, now, restore } = seen;
  const own = (manifest.database?.databases ?? []).map(({ name }) => name);
  const all = Object.keys(live?.databases ?? {}).filter((name) => name !== "template1");
  const isToNow = isOpen && until === now;
  return {
    host: host.name,
    cluster: `${seen.major}/main`,
    target: describeTarget(target),
    ...(target.kind === "time" ? { age: now - target.milliseconds / 1000 } : {}),
    set: {
      label: set.label,
      type: { full: "full", diff: "differential", incr: "incremental" }[set.type],
      repository: nameRepository(manifest, set.repository),
    },
    firstWal: set.firstWal,
    lastWal,
    newest: isToNow
      ? "now: what is not archived yet is archived first"
      : `${formatUtc(until * 1000)} UTC, WAL ${lastWal}${isOpen ? "" : "; behind it WAL is missing"}`,
    // pgBackRest's own files and what recovery writes.
    takes: Math.round(set.bytes * 1.05) + 8 * restore.segmentBytes,
    free: restore.freeBytes,
    isUp: live !== undefined,
    databases: live === undefined ? own : all.filter((name) => own.includes(name)),
    strangers: all.filter((name) => !own.includes(name) && name !== "postgres"),
    units: seen.units,
    ...describeLeftover(restore.state),
  };
}

function describeLeftover(
  state: SeenCluster["restore"]["state"],
): Pick<RestorePreview, "leftover"> {
  if (state === undefined) return {};
  const what =
    state.stage === "undone" ? "was undone" : "an earlier restore did not bring to its end";
  return { leftover: `what ${what} goes from beside the cluster (${state.target})` };
}

function refuseWithoutRoom({ takes, free, host }: RestorePreview, seen: SeenCluster): void {
  // What an earlier one left goes first.
  const room = free + (seen.restore.state?.asideBytes ?? 0);
  if (seen.restore.tablespaces.length > 0)
    throw new HostkitError("usage", {
      what: "the cluster has tablespaces, and a copy of them cannot stand beside it",
      where: host,
      details: seen.restore.tablespaces,
      next: "docs/recovery.md, “With pgBackRest alone”",
    });
  if (room >= takes) return;
  throw new HostkitError("disk_full", {
    what: `a copy beside the cluster takes about ${formatBytes(takes)}, and ${formatBytes(room)} are free`,
    where: `${host}, ${seen.restore.data.replace(/\/[^/]*$/, "")}`,
    why: "nothing was changed",
    next: "make room there, or restore in place, which takes none: docs/recovery.md, “No room beside it”",
  });
}
