import type { HostkitError } from "../errors.ts";
import type { Manifest } from "../manifest/schema.ts";
import type { Plan } from "../plan/plan.ts";
import { findObstacles, listPathNeeds, preconditionNeeds } from "../plan/preconditions.ts";
import type { Connection } from "./connection.ts";
import { gatherFacts } from "./gather.ts";

/**
 * What would make a run of this plan fail halfway. A question of its own, so that a host on which nothing is to change is not asked.
 * @param marker a new random hex word
 */
export async function lookForObstacles(
  connection: Connection,
  manifest: Manifest,
  plan: Plan,
  marker: string,
): Promise<HostkitError[]> {
  if (plan.changes.length === 0) return [];
  const needs = [...preconditionNeeds, ...listPathNeeds(plan)];
  return findObstacles(manifest, plan, await gatherFacts(connection, needs, marker));
}
