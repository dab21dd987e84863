import type { Content, ResourceId, Step } from "../resources/resource.ts";
import { preimagePath } from "../resources/file.ts";
import { quoteWord } from "../shell/quote.ts";
import { sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import type { Plan, PlannedChange } from "./plan.ts";

/** One file of the bundle; `path` is relative to the run's folder. */
export interface BundleEntry {
  readonly path: string;
  readonly content: Content;
}

/** What a run is told besides the plan. */
export interface RunInput {
  /** Sortable and unique: `20261121T010203Z-1a2b`. */
  readonly runId: string;
  /** Who, from where, since when: shown to whoever meets the lock. One line. */
  readonly holder: string;
  /** How many changes may run at once. */
  readonly parallel: number;
  /** templates/run/runner.sh */
  readonly runner: string;
  /** templates/run/paths.sh */
  readonly paths: string;
}

/** What `attach` and `runs` read back: the plan without any content. */
export interface RunManifest {
  readonly runId: string;
  /** What was asked for; runs of older versions do not say. */
  readonly verb?: string;
  readonly stack: string;
  readonly host: string;
  readonly holder: string;
  readonly changes: readonly {
    readonly id: ResourceId;
    readonly action: string;
    readonly because: string;
    readonly steps: readonly string[];
  }[];
}

/** Folder of a run on the host. */
export function runDirectoryOf(stackDirectory: string, runId: string): string {
  return `${stackDirectory}/runs/${runId}`;
}

/** The plan as files: what is uploaded in one tar stream and then runs on its own. */
export function makeBundle(plan: Plan, input: RunInput): BundleEntry[] {
  const numberOf = new Map<ResourceId, number>(
    plan.changes.map((change, index) => [change.id, index + 1]),
  );
  const text = (path: string, value: string): BundleEntry => ({ path, content: { text: value } });
  return [
    text("runner.sh", input.runner),
    text("paths.sh", input.paths),
    text("settings", renderSettings(plan, input)),
    text("plan.json", `${JSON.stringify(describeRun(plan, input), undefined, 1)}\n`),
    text("state.jsonl", plan.state),
    text(
      "invalidates",
      plan.changes
        .flatMap((change) => change.invalidates ?? [])
        .map((path) => `${path}\n`)
        .join(""),
    ),
    text(
      "changes",
      plan.changes
        .map((change, index) => {
          const waits = change.waitsFor
            .map((id) => numberOf.get(id))
            .filter((n) => n !== undefined);
          return `${index + 1}|${change.guard?.seconds ?? 0}|${waits.join(" ")}|${change.mayFail === true ? "yes" : ""}\n`;
        })
        .join(""),
    ),
    ...plan.changes.flatMap((change, index) =>
      bundleChange(change, `c/${index + 1}`, plan.stackDirectory),
    ),
  ];
}

/** The plan as it is kept with the run. */
export function describeRun(plan: Plan, input: Pick<RunInput, "runId" | "holder">): RunManifest {
  return {
    runId: input.runId,
    verb: plan.verb,
    stack: plan.stack,
    host: plan.host,
    holder: input.holder,
    changes: plan.changes.map((change) => ({
      id: change.id,
      action: change.action,
      because: change.because,
      steps: change.steps.filter((step) => step.type !== "upload").map(titleOf),
    })),
  };
}

/** A step's line for the terminal. */
export function titleOf(step: Step): string {
  if (step.type === "script") return step.title;
  return step.type === "put" ? `write ${step.path}` : `upload ${step.as}`;
}

function renderSettings(plan: Plan, input: RunInput): string {
  const settings: Record<string, string> = {
    RUN_ID: input.runId,
    STACK_DIRECTORY: plan.stackDirectory,
    STATE_HASH: plan.stateHash,
    HOLDER: input.holder,
    PARALLEL: String(input.parallel),
    CLEANUP: plan.cleanup ?? "",
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${quoteWord(value)}\n`)
    .join("");
}

function bundleChange(
  change: PlannedChange,
  folder: string,
  stackDirectory: string,
): BundleEntry[] {
  const entries: BundleEntry[] = [{ path: `${folder}/state`, content: { text: change.stateLine } }];
  let number = 0;
  for (const step of change.steps) {
    if (step.type === "upload") {
      entries.push({ path: `${folder}/${step.as}`, content: step.content });
      continue;
    }
    number += 1;
    const name = String(number).padStart(2, "0");
    if (step.type === "put") {
      entries.push({ path: `${folder}/files/${number}`, content: step.content });
      entries.push({
        path: `${folder}/steps/${name}.sh`,
        content: { text: withPaths(putScript(step, number, stackDirectory)) },
      });
    } else {
      entries.push({
        path: `${folder}/steps/${name}.sh`,
        content: { text: withPaths(step.script) },
      });
      if (step.stdin !== undefined)
        entries.push({ path: `${folder}/stdin/${number}`, content: step.stdin });
    }
  }
  if (change.guard !== undefined) {
    entries.push({
      path: `${folder}/guard/save.sh`,
      content: { text: withPaths(change.guard.save) },
    });
    entries.push({
      path: `${folder}/guard/undo.sh`,
      content: { text: withPaths(change.guard.undo) },
    });
  }
  return entries;
}

/** Every script has the functions of paths.sh: all run in the change's folder. */
function withPaths(script: Script): string {
  return `. ../../paths.sh\n${script.text}\n`;
}

/** Missing parents are made 0755 and remembered, so that uninstall can take them away when they are empty. */
function putScript(
  step: Extract<Step, { type: "put" }>,
  number: number,
  stackDirectory: string,
): Script {
  const keep =
    step.preimage === true
      ? sh`hk_keep ${step.path} ${preimagePath(step.path, stackDirectory)}
`
      : sh``;
  return sh`${keep}hk_put files/${number} ${step.path} ${step.mode} ${step.owner} ${step.group}`;
}
