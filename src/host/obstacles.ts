import type { HostkitError } from "../errors.ts";
import { layerFacts, layersSubject } from "../facts/containers/layers.ts";
import { Facts, need } from "../facts/fact.ts";
import { pastRunFacts } from "../facts/past-runs.ts";
import type { Manifest } from "../manifest/schema.ts";
import type { Plan } from "../plan/types.ts";
import { checkSwarm, listEngineNeeds, nameContainers } from "../plan/engine-words.ts";
import { findPostgresObstacles, postgresNeeds } from "../plan/postgres-obstacles.ts";
import { findObstacles, preconditionNeeds } from "../plan/preconditions.ts";
import { narrowManifest } from "../plan/scope.ts";
import { listVariableNeeds, nameVariables } from "../plan/variables.ts";
import type { Connection } from "../ssh/connection.ts";
import { gatherFacts } from "./gather.ts";
import type { Inspection } from "./inspect.ts";

/** What is said about a plan that has changes, before anything is done. */
export interface CloserLook {
  /** What would make a run of it fail halfway. */
  readonly obstacles: readonly HostkitError[];
  /** The same plan, with the variables named that it changes. */
  readonly plan: Plan;
  /** What was seen; nothing where nothing is to change. */
  readonly closer: Facts;
}

/**
 * Looks at what only matters where something is to change. A question of its own, so that a host on which nothing is to change is not
 * asked.
 * @param marker a new random hex word
 */
export async function lookCloser(
  connection: Connection,
  manifest: Manifest,
  { plan, system }: Pick<Inspection, "plan" | "system">,
  marker: string,
): Promise<CloserLook> {
  if (plan.changes.length === 0) return { obstacles: [], plan, closer: new Facts(new Map()) };
  const meant = plan.part === undefined ? manifest : narrowManifest(manifest, plan.part);
  const postgres = { manifest, system, plan };
  const needs = [
    ...preconditionNeeds(plan),
    ...listVariableNeeds(plan),
    ...listEngineNeeds(plan),
    ...postgresNeeds(postgres),
    need(pastRunFacts, plan.stackDirectory),
    ...(plan.changes.some(({ delivers }) => delivers !== undefined)
      ? [need(layerFacts, layersSubject)]
      : []),
  ];
  const facts = await gatherFacts(connection, needs, marker);
  return {
    obstacles: [
      ...findObstacles(meant, plan, facts),
      ...findPostgresObstacles(postgres, facts),
      ...[checkSwarm(plan, facts)].filter((error) => error !== undefined),
    ],
    plan: nameContainers(nameVariables(plan, facts), facts),
    closer: facts,
  };
}
