import { exitCodes, HostkitError } from "../errors.ts";
import { drillFacts } from "../facts/backups/drill.ts";
import type { DrillRecord } from "../facts/backups/drill.ts";
import { need } from "../facts/fact.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { gatherFacts } from "../host/gather.ts";
import { assertRunOk } from "../host/outcome.ts";
import type { RunOutcome } from "../host/run-to-end.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { planBackupVerify } from "../plan/backup-verify.ts";
import { makeOperation } from "../plan/operation.ts";
import type { Colors } from "../report/colors.ts";
import { describeDrill, nameDrill } from "../report/drills.ts";
import { plainText } from "../report/terminal-text.ts";
import { unitId } from "../resources/units/unit.ts";
import { newMarker, onEachHost, openProject } from "../session/project.ts";
import { executeRun, showRuns } from "../session/watch-run.ts";
import { drillUnitOf, listBackupDrills } from "../stack/backups/jobs.ts";
import type { BackupDrill } from "../stack/backups/jobs.ts";
import { requireBackups } from "./backup.ts";
import type { Verb } from "./line/verb.ts";

/** One repository that was drilled, and what the host wrote down of it. */
interface Drilled {
  readonly tool: BackupDrill["tool"];
  readonly repository: string;
  /** Absent: the drill left no record. */
  readonly record?: DrillRecord;
  /** The last lines of its log, where it failed. */
  readonly log: readonly string[];
}

/** Restores the newest backup of each repository into a throwaway place, now, and says what was found. */
export const runBackupVerify: Verb<{ repository?: string }> = async (context, options) => {
  const project = await openProject(context);
  const { stack } = project.manifest;
  const only = options.repository;
  const drills = chooseDrills(project.manifest, only);
  const results = await showRuns(
    context,
    project,
    (show) =>
      onEachHost(project.hosts, async (connection, host) => {
        const before = await gatherFacts(
          connection,
          [need(systemFacts, systemSubject)],
          newMarker(),
        );
        const since = before.get(systemFacts, systemSubject)?.time ?? 0;
        const words = ["backup", "verify", ...(only === undefined ? [] : ["--repository", only])];
        const plan = makeOperation({
          ...{ verb: words.join(" "), host: host.name, stack },
          ...{ stackDirectory: project.stackDirectory, steps: planBackupVerify(drills, only) },
        });
        const outcome = await executeRun(context, project, host, connection, plan, show);
        if (outcome.state !== "failed") assertRunOk(outcome, host.name);
        const facts = await gatherFacts(connection, [need(drillFacts, stack)], newMarker());
        const records = facts.get(drillFacts, stack)?.records ?? [];
        return { host: host.name, drills: readDrilled(drills, only, records, since, outcome) };
      }),
    "live-only",
  );
  const isFine = results.every((one) => one.drills.every(isProved));
  if (context.options.json === true)
    context.print(JSON.stringify({ stack, hosts: results }, undefined, 2));
  else {
    for (const { host, drills: done } of results)
      for (const one of done) context.print(drilledLines(host, one, context.colors).join("\n"));
  }
  return isFine ? exitCodes.ok : exitCodes.failed;
};

function chooseDrills(manifest: Manifest, only: string | undefined): BackupDrill[] {
  requireBackups(manifest);
  const drills = listBackupDrills(manifest);
  const known = [...new Set(drills.flatMap(({ repositories }) => repositories))];
  if (only === undefined || known.includes(only)) return drills;
  throw new HostkitError("usage", {
    what: `there is no repository ${JSON.stringify(only)}`,
    why: `backups go to: ${known.join(", ")}`,
  });
}

/** The records that the run left, one for each repository. */
function readDrilled(
  drills: readonly BackupDrill[],
  only: string | undefined,
  records: readonly DrillRecord[],
  since: number,
  outcome: RunOutcome,
): Drilled[] {
  return drills.flatMap((drill) =>
    drill.repositories
      .filter((repository) => only === undefined || repository === only)
      .map((repository) => {
        const record = records.findLast(
          (one) =>
            one.tool === drill.tool && one.repository === repository && one.finished >= since,
        );
        const id = unitId(drillUnitOf(drill, repository));
        return {
          ...{ tool: drill.tool, repository },
          ...(record === undefined ? {} : { record }),
          log: outcome.failed.filter((step) => step.id === id).flatMap((step) => step.log),
        };
      }),
  );
}

function isProved({ record }: Drilled): boolean {
  return record?.outcome === "ok";
}

function drilledLines(host: string, drilled: Drilled, colors: Colors): string[] {
  const { record, log } = drilled;
  const name = `${host}: ${nameDrill(drilled)}`;
  if (record?.outcome === "ok") return [`${colors.green("✓")} ${name}: ${describeDrill(record)}`];
  const cause = record === undefined ? "it left no record" : record.cause;
  const [first = "", ...rest] = cause.split("\n");
  const next = log.some((line) => line.includes("not found"))
    ? "hostkit provision"
    : record === undefined
      ? "hostkit attach shows what it did"
      : "mend the cause, make a new backup (hostkit backup run postgres-full), then: hostkit backup verify";
  return [
    `${colors.red("✗")} ${name}: ${plainText(first)}`,
    ...(record === undefined ? log : rest).map((line) => `    ${plainText(line)}`),
    ...(record?.label ? [`    the backup is ${plainText(record.label)}`] : []),
    `    ${colors.dim("next:")} ${next}`,
  ];
}
