import type { HostkitError } from "../errors.ts";
import type { Manifest } from "../manifest/schema.ts";
import { findPostgresObstacles, postgresNeeds } from "../plan/postgres-obstacles.ts";
import { findObstacles, listPathNeeds, preconditionNeeds } from "../plan/preconditions.ts";
import type { Connection } from "./connection.ts";
import { gatherFacts } from "./gather.ts";
import type { Inspection } from "./inspect.ts";

/**
 * What would make a run of this plan fail halfway. A question of its own, so that a host on which nothing is to change is not asked.
 * @param marker a new random hex word
 */
export async function lookForObstacles(
  connection: Connection,
  manifest: Manifest,
  { plan, system }: Pick<Inspection, "plan" | "system">,
  marker: string,
): Promise<HostkitError[]> {
  if (plan.changes.length === 0) return [];
  const postgres = { manifest, system, plan };
  const needs = [...preconditionNeeds, ...listPathNeeds(plan), ...postgresNeeds(postgres)];
  const facts = await gatherFacts(connection, needs, marker);
  return [...findObstacles(manifest, plan, facts), ...findPostgresObstacles(postgres, facts)];
}
