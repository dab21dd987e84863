import { HostkitError } from "../errors.ts";
import { backupFacts, backupListFacts } from "../facts/backups/backup.ts";
import type { BackupReport, ListedBackup } from "../facts/backups/backup.ts";
import { drillFacts } from "../facts/backups/drill.ts";
import type { DrillRecord } from "../facts/backups/drill.ts";
import { need } from "../facts/fact.ts";
import type { Connection } from "../ssh/connection.ts";
import { gatherFacts } from "../host/gather.ts";
import { assertRunOk } from "../host/outcome.ts";
import type { RunOutcome } from "../host/run-to-end.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { planBackupRun } from "../plan/backup-run.ts";
import { makeOperation } from "../plan/operation.ts";
import { formatBytes } from "../report/bytes.ts";
import type { Colors } from "../report/colors.ts";
import { formatSeconds, formatTime } from "../report/duration.ts";
import { table } from "../report/status.ts";
import { listBackupJobs } from "../stack/backups/jobs.ts";
import type { BackupJob } from "../stack/backups/jobs.ts";
import { repositoriesOf } from "../stack/backups/storages/storages.ts";
import { executeRun, showRuns } from "../session/watch-run.ts";
import type { Verb } from "./line/verb.ts";
import { newMarker, onEachHost, openProject } from "../session/project.ts";
import { unitId } from "../resources/units/unit.ts";

/** Makes backups now: the named jobs, else of each kind the one that takes least. */
export const runBackup: Verb = async (context, _options, names) => {
  const project = await openProject(context);
  const jobs = chooseJobs(project.manifest, names);
  const { stack } = project.manifest;
  const results = await showRuns(
    context,
    project,
    (show) =>
      onEachHost(project.hosts, async (connection, host) => {
        if (context.options.json !== true)
          context.note(`${host.name}: ${jobs.map(({ name }) => name).join(", ")} …`);
        const plan = makeOperation({
          ...{ verb: ["backup", "run", ...names].join(" "), host: host.name, stack },
          ...{ stackDirectory: project.stackDirectory, steps: planBackupRun(stack, jobs) },
        });
        const outcome = await executeRun(context, project, host, connection, plan, show);
        if (outcome.state !== "failed") assertRunOk(outcome, host.name);
        return {
          host: host.name,
          reports: await readReports(connection, stack, jobs, outcome, host.name),
        };
      }),
    "live-only",
  );
  if (context.options.json === true) {
    context.print(JSON.stringify({ stack, hosts: results }, undefined, 2));
    return;
  }
  for (const { host, reports } of results) {
    for (const { job, started, finished, bytes } of reports) {
      const size = bytes === undefined ? "" : `, ${formatBytes(bytes)} new`;
      context.print(
        `${context.colors.green("✓")} ${host}: ${job} in ${formatSeconds(finished - started)}${size}`,
      );
    }
  }
};

/** What could be restored, from every repository. */
export const runBackupList: Verb = async (context) => {
  const project = await openProject(context);
  const { stack } = project.manifest;
  requireBackups(project.manifest);
  const lists = await onEachHost(project.hosts, async (connection, host) => {
    const needs = [need(backupListFacts, stack), need(drillFacts, stack)];
    const facts = await gatherFacts(connection, needs, newMarker());
    const drills = facts.get(drillFacts, stack)?.records ?? [];
    const listed = nameRepositories(project.manifest, facts.get(backupListFacts, stack) ?? []);
    return {
      host: host.name,
      backups: listed.map((backup) => withProof(backup, drills)),
    };
  });
  if (context.options.json === true) {
    context.print(JSON.stringify({ stack, hosts: lists }, undefined, 2));
    return;
  }
  for (const { host, backups } of lists) {
    context.print(context.colors.bold(host));
    const rows = backups.map((backup) => backupRow(backup, context.colors));
    context.print(
      rows.length === 0 ? "  no backups yet: hostkit backup run" : table(rows).join("\n"),
    );
  }
};

/** The backup jobs of the manifest. @throws HostkitError usage where it has none */
export function requireBackups(manifest: Manifest): BackupJob[] {
  const jobs = listBackupJobs(manifest);
  if (jobs.length > 0) return jobs;
  throw new HostkitError("usage", {
    what: "the manifest has no backups",
    next: "add the section `backups` (docs/manifest/backups.md), then hostkit provision",
  });
}

function chooseJobs(manifest: Manifest, names: readonly string[]): BackupJob[] {
  const jobs = requireBackups(manifest);
  for (const name of names) {
    if (jobs.some((job) => job.name === name)) continue;
    throw new HostkitError("usage", {
      what: `there is no backup ${JSON.stringify(name)}`,
      why: `the manifest makes: ${jobs.map((job) => job.name).join(", ")}`,
    });
  }
  if (names.length > 0) return jobs.filter(({ name }) => names.includes(name));
  // The list goes from the full one to the smallest.
  return (["postgres", "files"] as const).flatMap(
    (tool) => jobs.findLast((job) => job.tool === tool) ?? [],
  );
}

/** What the jobs say of themselves now. @throws HostkitError run_failed for the first that failed */
async function readReports(
  connection: Connection,
  stack: string,
  jobs: readonly BackupJob[],
  outcome: RunOutcome,
  host: string,
): Promise<BackupReport[]> {
  const facts = await gatherFacts(connection, [need(backupFacts, stack)], newMarker());
  const latest = facts.get(backupFacts, stack)?.latest ?? {};
  return jobs.map((job) => {
    const report = latest[job.name];
    if (outcome.done.includes(unitId(job.service)) && report?.result === "success") return report;
    const log = outcome.failed.flatMap((step) => step.log);
    throw new HostkitError("run_failed", {
      what: `the backup ${job.name} failed`,
      where: `${host}, run ${outcome.run.runId}`,
      ...(report?.message ? { why: report.message.split("\n")[0] ?? "" } : {}),
      details: log,
      next: log.some((line) => line.includes("not found"))
        ? "hostkit provision"
        : `mend the cause, then: hostkit backup run ${job.name}`,
    });
  });
}

/** pgBackRest numbers its repositories in the order of their names. */
function nameRepositories(manifest: Manifest, backups: readonly ListedBackup[]): ListedBackup[] {
  const names = repositoriesOf(manifest, "postgres").map(({ name }) => name);
  return backups.map((backup) =>
    backup.tool === "postgres"
      ? { ...backup, repository: names[Number(backup.repository) - 1] ?? backup.repository }
      : backup,
  );
}

/** A backup with the newest drill that restored it. */
function withProof(
  backup: ListedBackup,
  drills: readonly DrillRecord[],
): ListedBackup & { readonly proof?: DrillRecord } {
  const proof = drills.findLast(
    ({ tool, repository, label }) =>
      tool === backup.tool && repository === backup.repository && label === backup.label,
  );
  return proof === undefined ? backup : { ...backup, proof };
}

function proofCell(proof: DrillRecord | undefined, colors: Colors): string {
  if (proof === undefined) return colors.dim("not proved");
  const at = `${formatTime(proof.finished)} UTC`;
  return proof.outcome === "ok" ? `proved ${at}` : colors.red(`${proof.outcome} ${at}`);
}

function backupRow(
  backup: ListedBackup & { readonly proof?: DrillRecord },
  colors: Colors,
): string[] {
  return [
    backup.hasErrors ? colors.red("✗") : colors.green("✓"),
    `${formatTime(backup.time)} UTC`,
    backup.tool,
    backup.type,
    backup.label,
    colors.dim(`in ${backup.repository}`),
    backup.bytes === undefined ? "" : formatBytes(backup.bytes),
    proofCell(backup.proof, colors),
    colors.dim((backup.paths ?? []).join(" ")),
  ];
}
