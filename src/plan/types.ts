import type { ErrorParts } from "../errors.ts";
import type { Facts } from "../facts/fact.ts";
import type { Change, Group, Heading, Resource, ResourceId, Touch } from "../resources/resource.ts";
import type { LeftOut, Scope } from "./scope.ts";

/** A change in its place: what it waits for within the plan, and what the state file says afterwards. */
export interface PlannedChange extends Change {
  readonly waitsFor: readonly ResourceId[];
  /** Its kind, its name within that, and what the kind answers; operations have none of them. */
  readonly kind?: string;
  readonly name?: string;
  readonly group?: Group;
  /** Whose it is; absent: the host's. */
  readonly heading?: Heading;
  /** Names of variables and secrets that it adds (`+ A`), changes (`~ B (another value)`) and takes away (`- C`). */
  readonly variables?: readonly string[];
  readonly touches?: readonly Touch[];
  /** What is written down before it begins: that it is hostkit's, and what is due because of it; "" for nothing. */
  readonly beginLines: string;
  /** Line for the state file when it is done; "" for none. */
  readonly stateLine: string;
  /** What waits for it goes on when it fails. */
  readonly mayFail?: true;
  /** In a plan with a scope: why it is in it, where it is not the scope's alone. */
  readonly inScopeBecause?: string;
}

export interface Plan {
  /** What somebody asked for: "provision", "backup run". */
  readonly verb: string;
  /** The manifest's name of the host. */
  readonly host: string;
  readonly stack: string;
  readonly stackDirectory: string;
  /** SHA-256 over all that would be done (secrets left out): the same plan has the same fingerprint. */
  readonly fingerprint: string;
  readonly changes: readonly PlannedChange[];
  /** SHA-256 of the state file the plan was made from; the run refuses to start from another. "any": it does not matter. */
  readonly stateHash: string;
  /** The state file, compacted. */
  readonly state: string;
  /** An earlier run left marks of what it did not end; a run without changes takes them away. */
  readonly isUnfinished: boolean;
  /**
   * After a removal: folders that hostkit made are removed when empty; "all" also removes the stack's own folder,
   * "keep" leaves it because data stays that it remembers. Absent for an ordinary plan.
   */
  readonly cleanup?: "all" | "keep";
  /** What cannot be done on this host, found before anything is touched. */
  readonly refusals?: readonly ErrorParts[];
  /** Absent: all that is wanted. */
  readonly part?: PlannedPart;
}

/** Of a plan with a scope: what it leaves alone. */
export interface PlannedPart {
  /** "--only api" */
  readonly label: string;
  readonly services: readonly string[];
  /** What a plan without a scope has more: changes, and removals of what is no longer wanted. */
  readonly waiting: { readonly changes: number; readonly removals: number };
  readonly left: readonly LeftOut[];
  /** What an earlier run began, or this one makes necessary, outside: it stays written down. */
  readonly due: readonly ResourceId[];
}

/** What a plan is made from. */
export interface PlanInput {
  readonly host: string;
  readonly stack: string;
  readonly stackDirectory: string;
  readonly resources: readonly Resource[];
  readonly facts: Facts;
  /** Absent: all that is wanted may be touched. */
  readonly scope?: Scope;
}
