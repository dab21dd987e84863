import path from "node:path";
import { exitCodes } from "../errors.ts";
import { expiredFacts } from "../facts/backups/expired.ts";
import { findLeft } from "../plan/guards.ts";
import type { Inspection } from "../host/inspect.ts";
import { lookCloser } from "../host/obstacles.ts";
import { writeOutput } from "../local/output.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { describeGrowing } from "../report/growing.ts";
import { describePlans } from "../report/plan.ts";
import { pagePlan, showPlanPages } from "../session/plan-pages.ts";
import type { Context } from "../session/context.ts";
import type { Verb } from "./line/verb.ts";
import { showTimings } from "../session/timings.ts";
import { checkRestoreFrom, lookForRestore } from "../session/restore-from.ts";
import { scopeOf } from "../session/scope.ts";
import { collectResults, newMarker, openProject, withConnections } from "../session/project.ts";
import { inspect, readWanted } from "../session/wanted.ts";
import { growingNeeds, listGrowing } from "../stack/backups/growing.ts";

interface PlanOptions {
  readonly out?: string;
  readonly only?: readonly string[];
  readonly details?: boolean;
  readonly restoreFrom?: string;
}

/** Shows what would change. Reads only. */
export const runPlan: Verb<PlanOptions> = async (
  context,
  { out, only, details, restoreFrom: from },
) => {
  const project = await openProject(context);
  const scope = scopeOf(project.manifest, only);
  if (from !== undefined) checkRestoreFrom(project, from, only);
  const inspections = await withConnections(project.hosts, async (visit) => {
    const wanted = await readWanted(context, project);
    return collectResults(
      project.hosts,
      await Promise.allSettled(
        project.hosts.map((host) =>
          visit(host, async (opening) => {
            const { inspection, about } = await lookForRestore(
              project,
              opening,
              from,
              async (restoreFrom) =>
                inspect(context, project, wanted, opening, host, {
                  ...scope,
                  alsoAsk: growingNeeds(project.manifest),
                  ...(restoreFrom === undefined ? {} : { restoreFrom }),
                }),
            );
            const marker = newMarker();
            const closer = await lookCloser(await opening, project.manifest, inspection, marker);
            return { ...inspection, ...closer, about };
          }),
        ),
      ),
    );
  });
  const plans = inspections.map((inspection) => pagePlan(project.manifest, inspection));
  const document = `${JSON.stringify(describePlans(project.manifest.stack, plans), undefined, 2)}\n`;
  if (out !== undefined) await writePlan(context, out, document);
  if (context.options.json === true) {
    context.print(document.trimEnd());
  } else {
    for (const { about } of inspections)
      if (about.length > 0) context.print(`${about.join("\n")}\n`);
    context.print(showPlanPages(context, plans, details));
    for (const inspection of inspections) {
      noteRun(context, inspection);
      noteGrowing(context, project.manifest, inspection);
    }
    if (out !== undefined)
      context.note(
        `\nwritten to ${out}; do exactly this: hostkit provision${from === undefined ? "" : ` --restore-from ${from}`} --plan ${out}`,
      );
  }
  await showTimings(context);
  return plans.some(({ plan }) => plan.changes.length > 0) ? exitCodes.changes : exitCodes.ok;
};

async function writePlan(context: Context, out: string, document: string): Promise<void> {
  const file = path.resolve(context.terminal.workingDirectory, out);
  await writeOutput(file, context.redactor.hide(document));
}

/** A run that is going on, or one that left something behind. */
function noteRun(context: Context, { lockedBy, plan, facts }: Inspection): void {
  if (lockedBy !== undefined) {
    context.note(`\n${plan.host}: a run is going on now: ${lockedBy}`);
  } else if (findLeft(plan, facts).guard) {
    context.note(
      `\n${plan.host}: a run that did not end left a change waiting for its confirmation; the next run takes it back or keeps it, before anything else`,
    );
  }
}

function noteGrowing(
  context: Context,
  manifest: Manifest,
  { facts, plan, system }: Inspection,
): void {
  if (!facts.wasAsked(expiredFacts)) return;
  for (const one of listGrowing(manifest, facts))
    context.note(
      `\n${plan.host}: ${describeGrowing(one, system.time)}: hostkit backup expire ${one.repository}`,
    );
}
