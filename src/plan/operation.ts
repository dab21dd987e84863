import type { Bound, Content, ResourceId } from "../resources/resource.ts";
import type { Script } from "../shell/script.ts";
import type { Plan, PlannedChange } from "./types.ts";

/** One named step that somebody asked for. */
export interface OperationStep {
  /** What it is done to: `unit:shop-page-a.service`. Unique within the operation. */
  readonly id: ResourceId;
  /** Short, for the terminal: "restart shop-page-a.service". */
  readonly title: string;
  readonly because: string;
  readonly script: Script;
  /** What the script reads; secrets stay out of plans and logs. */
  readonly stdin?: Content;
  readonly bound?: Bound;
  /** The steps behind it are done all the same when it fails. */
  readonly mayFail?: true;
  /** Steps that have to be done before; absent: the one before it. */
  readonly after?: readonly ResourceId[];
}

export interface OperationInput {
  /** The words on the command line, for whoever reads the runs: "backup run". */
  readonly verb: string;
  readonly host: string;
  readonly stack: string;
  readonly stackDirectory: string;
  /** One after the other, where a step does not say otherwise. */
  readonly steps: readonly OperationStep[];
}

/**
 * A plan without a difference: steps that somebody asked for, carried out as every plan is: by the same runner, under the same
 * lock, kept among the same runs. What hostkit owns stays as it is.
 */
export function makeOperation(input: OperationInput): Plan {
  const { verb, host, stack, stackDirectory, steps } = input;
  const changes = steps.map(
    ({ id, title, because, script, stdin, bound, mayFail, after }, index): PlannedChange => ({
      id,
      action: "run",
      because,
      steps: [
        {
          ...{ type: "script", title, script },
          ...(stdin === undefined ? {} : { stdin }),
          ...(bound === undefined ? {} : { bound }),
        },
      ],
      waitsFor:
        after ??
        steps
          .slice(0, index)
          .slice(-1)
          .map((before) => before.id),
      beginLines: "",
      stateLine: "",
      ...(mayFail === undefined ? {} : { mayFail }),
    }),
  );
  return {
    verb,
    host,
    stack,
    stackDirectory,
    fingerprint: "",
    changes,
    stateHash: "any",
    state: "",
    isUnfinished: false,
  };
}
