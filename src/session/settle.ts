import type { Facts } from "../facts/fact.ts";
import type { Connection } from "../ssh/connection.ts";
import { assertRunOk, explainLocked } from "../host/outcome.ts";
import { findLeft, settlingPlan } from "../plan/guards.ts";
import type { Plan } from "../plan/types.ts";
import type { Context } from "./context.ts";
import { collectResults } from "./project.ts";
import type { HostAccess, Project } from "./project.ts";

/** A host that was looked at. */
export interface SeenHost {
  readonly host: HostAccess;
  readonly connection: Connection;
  readonly plan: Plan;
  readonly facts: Facts;
  readonly lockedBy?: string;
}

/**
 * Settles what runs left that did not come to their end, before anything is planned: changes that wait for a confirmation are taken back
 * or, where they were confirmed, left alone. The plan of such a host was made of what is gone then.
 * @param lookAgain at a host on which something was settled
 * @returns the hosts as they are now
 * @throws HostkitError run_locked, run_failed where the old state could not be put back
 */
export async function settleHosts<T extends SeenHost>(
  context: Context,
  project: Project,
  hosts: readonly T[],
  lookAgain: (host: T) => Promise<T>,
): Promise<readonly T[]> {
  // A guard first; then, where nothing is to be changed any more, the marks of what was.
  const once = await settleOnce(context, project, hosts, lookAgain);
  return settleOnce(context, project, once, lookAgain);
}

async function settleOnce<T extends SeenHost>(
  context: Context,
  project: Project,
  hosts: readonly T[],
  lookAgain: (host: T) => Promise<T>,
): Promise<readonly T[]> {
  const left = hosts.filter(({ plan, facts, lockedBy, host }) => {
    const { guard, marks } = findLeft(plan, facts);
    if (guard && lockedBy !== undefined) throw explainLocked(host.name, lockedBy);
    return guard || (marks && lockedBy === undefined);
  });
  if (left.length === 0) return hosts;
  const { executeRun, showRuns } = await import("./watch-run.ts");
  await showRuns(context, project, async (show) =>
    collectResults(
      left.map(({ host }) => host),
      await Promise.allSettled(
        left.map(async ({ host, connection, plan }) => {
          const settling = settlingPlan(plan);
          const outcome = await executeRun(context, project, host, connection, settling, show);
          // A run that ended in between has changed what is owned; the guards were settled before that was found.
          if (outcome.state !== "stale") assertRunOk(outcome, host.name);
        }),
      ),
    ),
  );
  return Promise.all(hosts.map(async (host) => (left.includes(host) ? lookAgain(host) : host)));
}
