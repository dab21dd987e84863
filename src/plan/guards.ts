import type { Facts } from "../facts/fact.ts";
import { fileFacts } from "../facts/files/file.ts";
import type { Plan } from "./types.ts";

/** Where guards lie on a host, of all stacks, a folder each. There is no such folder as long as there is no guard. */
export const guardsDirectory = "/var/lib/hostkit/guards";

/** Whether an earlier run left something that is to be settled before anything is planned: a guard, or marks of what it did not end. */
export function findLeft(plan: Plan, facts: Facts): { guard: boolean; marks: boolean } {
  return {
    guard: facts.get(fileFacts, guardsDirectory) !== undefined,
    // A part of the plan does not know whether all is done.
    marks: plan.isUnfinished && plan.changes.length === 0 && plan.part === undefined,
  };
}

/**
 * A run that only settles. Where nothing is to be changed it takes the marks away too; where something is, they say what, and stay: so
 * does what the state file says of it.
 */
export function settlingPlan(plan: Plan): Plan {
  const { cleanup: _cleanup, ...rest } = plan;
  const isTidying = plan.changes.length === 0 && plan.part === undefined;
  return {
    ...rest,
    verb: "settle",
    changes: [],
    ...(isTidying ? {} : { stateHash: "any", state: "" }),
  };
}
