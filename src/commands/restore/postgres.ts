import { HostkitError } from "../../errors.ts";
import { assertRunOk } from "../../host/outcome.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { makeOperation } from "../../plan/operation.ts";
import { planClusterRestore } from "../../plan/restore/postgres.ts";
import type { ClusterRestore } from "../../plan/restore/postgres.ts";
import type { Reach } from "../../plan/restore/reach.ts";
import type { RestoreTarget } from "../../plan/restore/target.ts";
import { formatBytes } from "../../report/bytes.ts";
import { renderRestorePreview, summarizeCounts } from "../../report/restore.ts";
import type { RestorePreview } from "../../report/restore.ts";
import type { Context } from "../../session/context.ts";
import { chooseOneHost } from "../../session/one-host.ts";
import { openProject } from "../../session/project.ts";
import type { HostAccess } from "../../session/project.ts";
import { confirmOrRefuse, executeRun, showRuns } from "../../session/watch-run.ts";
import type { Verb } from "../line/verb.ts";
import {
  describeLeftover,
  describeSource,
  findReach,
  readTarget,
  refuseWaiting,
} from "./choose.ts";
import { assertBackedUp, lookAtCluster } from "./cluster.ts";
import type { RestorePostgresOptions, RestoreRun, SeenCluster } from "./cluster.ts";
import { restorePart } from "./part.ts";

/** Brings the stack's whole cluster, one database or tables back to a moment; says so first. */
export const runRestorePostgres: Verb<RestorePostgresOptions> = async (context, options) => {
  const project = await openProject(context);
  assertBackedUp(project.manifest);
  const host = chooseOneHost(project, "hostkit restore postgres");
  const connection = await host.connect();
  try {
    const seen = await lookAtCluster(connection, project);
    refuseWaiting(seen, host);
    if ((options.database ?? options.table ?? options.as) !== undefined) {
      await restorePart({ context, project, host, connection }, seen, options);
      return;
    }
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

async function restore(
  { context, project, host, connection }: RestoreRun,
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

function describe(
  manifest: Manifest,
  host: HostAccess,
  seen: SeenCluster,
  target: RestoreTarget,
  reach: Reach,
): RestorePreview {
  const { live, restore } = seen;
  const own = (manifest.database?.databases ?? []).map(({ name }) => name);
  const all = Object.keys(live?.databases ?? {}).filter((name) => name !== "template1");
  return {
    ...describeSource(manifest, host, seen, target, reach),
    // pgBackRest's own files and what recovery writes.
    takes: Math.round(reach.set.bytes * 1.05) + 8 * restore.segmentBytes,
    free: restore.freeBytes,
    isUp: live !== undefined,
    databases: live === undefined ? own : all.filter((name) => own.includes(name)),
    strangers: all.filter((name) => !own.includes(name) && name !== "postgres"),
    units: seen.units,
    ...describeLeftover(restore.state),
  };
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
