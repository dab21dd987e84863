import type { Facts } from "../../facts/fact.ts";
import type { Manifest } from "../../manifest/schema.ts";
import type { Resource } from "../../resources/resource.ts";
import type { Plan } from "../types.ts";
import { groupByHeading } from "./headings.ts";
import type { HeadedChanges } from "./headings.ts";
import { listCuts, listPauses, withoutToldNotes } from "./pauses.ts";
import type { Pause } from "./pauses.ts";
import { describeInstalls, describeRunning, listBuilds, measureUploads } from "./contents.ts";
import type { Installs, RunningService } from "./contents.ts";
import { describeOpenings } from "./reach.ts";
import type { Openings } from "./reach.ts";
import { listFinal, listGuarded, listRemoved, listReplaced, listRestores } from "./marks.ts";
import { estimateRun } from "./estimate.ts";
import type { Estimate } from "./estimate.ts";
import { nameSecretFiles } from "./secret-files.ts";

/** What a plan comes to, for a person who did not write it: first what it means, then what it changes, by whose it is. */
export interface PlanPage {
  /** Services that are not there yet, and where they will answer. */
  readonly runs: readonly RunningService[];
  readonly installs?: Installs;
  /** Bytes that are sent from the controller; 0: nothing of note. */
  readonly sends: number;
  /** Services whose image is built on the controller first; how much of it is sent is known only then. */
  readonly builds?: readonly string[];
  /** What backups bring back, as the changes say it. */
  readonly restores: readonly string[];
  /** What does not answer for a while. */
  readonly pauses: readonly Pause[];
  /** Connections that end. */
  readonly cuts: readonly string[];
  readonly openings: Openings;
  readonly removes: readonly string[];
  /** Files of somebody else's; a copy of each is kept. */
  readonly replaces: readonly string[];
  /** What stays done, whatever is done afterwards. */
  readonly final: readonly string[];
  /** Changes that the host takes back by itself where the operator is locked out. */
  readonly guarded: readonly string[];
  readonly takes: Estimate;
  /** Every change once. */
  readonly headings: readonly HeadedChanges[];
}

/** What a page is made from. */
export interface PageInput {
  readonly plan: Plan;
  readonly manifest: Manifest;
  readonly resources: readonly Resource[];
  /** Of the look that the plan was made from. */
  readonly facts: Facts;
  /** Of the closer look that follows where something is to change. */
  readonly closer: Facts;
}

/** The page of a plan; of one without changes there is nothing in it. */
export function makePlanPage(input: PageInput): PlanPage {
  const { plan, manifest, resources, facts, closer } = input;
  const named = {
    ...plan,
    changes: plan.changes.map((change) => withoutToldNotes(nameSecretFiles(change, facts))),
  };
  const installs = describeInstalls(plan, closer);
  const builds = listBuilds(plan);
  return {
    runs: describeRunning(plan, manifest, resources),
    ...(installs === undefined ? {} : { installs }),
    sends: measureUploads(plan, closer),
    ...(builds.length === 0 ? {} : { builds }),
    restores: listRestores(plan),
    pauses: listPauses(plan, manifest, closer),
    cuts: listCuts(plan, manifest),
    openings: describeOpenings(input),
    removes: listRemoved(plan),
    replaces: listReplaced(plan, facts),
    final: listFinal(plan, manifest),
    guarded: listGuarded(plan),
    takes: estimateRun(plan, closer),
    headings: groupByHeading(named, manifest),
  };
}
