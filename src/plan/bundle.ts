import type { Content, ResourceId, Step } from "../resources/resource.ts";
import { layoutFolder } from "../resources/containers/load.ts";
import { keepScript } from "../resources/files/preimage.ts";
import { quoteWord } from "../shell/quote.ts";
import { sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import { headingOf } from "./page/headings.ts";
import type { Plan, PlannedChange } from "./types.ts";
import { doneLine, dueLines } from "./unfinished.ts";

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
  readonly programs: RunPrograms;
  /** All of an image besides its layers, which were sent before; by the change that loads it. */
  readonly layouts?: ReadonlyMap<ResourceId, readonly LayoutFile[]>;
}

/** A small file of an image; `path` is relative to the image's folder. */
export interface LayoutFile {
  readonly path: string;
  readonly text: string;
}

/** What ships with hostkit and runs on the host. */
export interface RunPrograms {
  /** templates/run/runner.sh */
  readonly runner: string;
  /** templates/run/paths.sh */
  readonly paths: string;
  /** templates/run/records.sh, traffic.sh and exchange.sh */
  readonly records: string;
  /** templates/run/guard.sh */
  readonly guard: string;
  /** templates/run/restore*.sh, which only those need that bring a cluster back */
  readonly restore: string;
}

/** What `attach` and `runs` read back: the plan without any content. */
export interface RunManifest {
  readonly runId: string;
  /** What was asked for; runs of older versions do not say. */
  readonly verb?: string;
  readonly stack: string;
  readonly host: string;
  readonly holder: string;
  /** The run's last act is to take its own folder away: that it is gone means that the run ended well. */
  readonly removesItself?: true;
  readonly changes: readonly {
    readonly id: ResourceId;
    readonly action: string;
    readonly because: string;
    readonly steps: readonly string[];
    /** What steps wait for that say so, by their number from 1. */
    readonly waits?: Readonly<Record<number, string>>;
    /** What it is shown under while the run goes on; absent: under its own id. */
    readonly heading?: string;
  }[];
}

/** A step that does not say otherwise is ended after so many seconds. */
const stepSeconds = 600;

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
    text("runner.sh", input.programs.runner),
    text("paths.sh", input.programs.paths),
    text("records.sh", input.programs.records),
    ...(callsRestore(plan) ? [text("restore.sh", input.programs.restore)] : []),
    text("settings", renderSettings(plan, input)),
    text("plan.json", `${JSON.stringify(describeRun(plan, input), undefined, 1)}\n`),
    text("state.jsonl", plan.state),
    ...(plan.part === undefined ? [] : [text("still-due", dueLines(plan.part.due))]),
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
    ...plan.changes.flatMap((change, index) => [
      ...bundleChange(change, `c/${index + 1}`, plan.stackDirectory),
      ...(input.layouts?.get(change.id) ?? []).map((file) =>
        text(`c/${index + 1}/${layoutFolder}/${file.path}`, file.text),
      ),
      ...bundleGuard(plan, change, index + 1, input),
    ]),
  ];
}

function callsRestore({ changes }: Plan): boolean {
  return changes.some(({ steps }) =>
    steps.some((step) => step.type === "script" && step.script.text.includes("/restore.sh")),
  );
}

/** The plan as it is kept with the run. */
export function describeRun(plan: Plan, input: Pick<RunInput, "runId" | "holder">): RunManifest {
  return {
    runId: input.runId,
    verb: plan.verb,
    stack: plan.stack,
    host: plan.host,
    holder: input.holder,
    ...(plan.cleanup === "all" ? { removesItself: true } : {}),
    changes: plan.changes.map((change) => {
      const steps = change.steps.filter((step) => step.type !== "upload");
      const waits = steps.flatMap((step, index) =>
        step.type === "script" && step.bound !== undefined
          ? [[index + 1, step.bound.waitsFor] as const]
          : [],
      );
      return {
        id: change.id,
        action: change.action,
        because: change.because,
        steps: steps.map(titleOf),
        ...(waits.length === 0 ? {} : { waits: Object.fromEntries(waits) }),
        ...(plan.verb.startsWith("provision") ? { heading: headingOf(change) } : {}),
      };
    }),
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
    STEP_SECONDS: String(stepSeconds),
    CLEANUP: plan.cleanup ?? "",
  };
  return renderWords(settings);
}

function renderWords(words: Readonly<Record<string, string>>): string {
  return Object.entries(words)
    .map(([name, value]) => `${name}=${quoteWord(value)}\n`)
    .join("");
}

function bundleChange(
  change: PlannedChange,
  folder: string,
  stackDirectory: string,
): BundleEntry[] {
  const text = (name: string, value: string): BundleEntry => ({
    path: `${folder}/${name}`,
    content: { text: value },
  });
  const entries: BundleEntry[] = [
    text("begin", change.beginLines),
    text("state", `${change.stateLine}${change.beginLines === "" ? "" : doneLine(change.id)}`),
  ];
  let number = 0;
  for (const step of change.steps) {
    if (step.type === "upload") {
      entries.push({ path: `${folder}/${step.as}`, content: step.content });
      continue;
    }
    number += 1;
    entries.push(...bundleStep(step, number, folder, stackDirectory));
  }
  return entries;
}

/** A step's script, and the files that it reads. */
function bundleStep(
  step: Exclude<Step, { readonly type: "upload" }>,
  number: number,
  folder: string,
  stackDirectory: string,
): BundleEntry[] {
  const scriptPath = `${folder}/steps/${String(number).padStart(2, "0")}.sh`;
  if (step.type === "put")
    return [
      { path: `${folder}/files/${number}`, content: step.content },
      {
        path: scriptPath,
        content: { text: withPaths(putScript(step, number, stackDirectory)) },
      },
    ];
  const entries: BundleEntry[] = [{ path: scriptPath, content: { text: withPaths(step.script) } }];
  if (step.stdin !== undefined)
    entries.push({ path: `${folder}/stdin/${number}`, content: step.stdin });
  if (step.bound !== undefined)
    entries.push({
      path: `${folder}/bounds/${number}`,
      content: { text: `${step.bound.seconds}\n` },
    });
  return entries;
}

/** Every script has the functions of paths.sh: all run in the change's folder. */
function withPaths(script: Script): string {
  return `. ../../paths.sh\n${script.text}\n`;
}

/** The guard's whole record: a folder that is moved to its place before the guard is armed. */
function bundleGuard(
  plan: Plan,
  { id, guard }: PlannedChange,
  number: number,
  input: RunInput,
): BundleEntry[] {
  if (guard === undefined) return [];
  const about = {
    ID: `${input.runId}-${number}`,
    RUN: input.runId,
    OWNER: plan.stackDirectory,
    CHANGE: JSON.stringify(id),
    SECONDS_TO_CONFIRM: String(guard.seconds),
  };
  const files = {
    "guard.sh": input.programs.guard,
    "paths.sh": input.programs.paths,
    about: renderWords(about),
    "save.sh": `. ./paths.sh\n${guard.save.text}\n`,
    "undo.sh": `. ./paths.sh\n${guard.undo.text}\n`,
    "check.sh": `. ./paths.sh\n${guard.check.text}\n`,
  };
  return Object.entries(files).map(([name, text]) => ({
    path: `c/${number}/guard/${name}`,
    content: { text },
  }));
}

/** Missing parents are made 0755 and remembered, so that uninstall can take them away when they are empty. */
function putScript(
  step: Extract<Step, { type: "put" }>,
  number: number,
  stackDirectory: string,
): Script {
  const keep = keepScript(step.path, stackDirectory, step.preimage === true);
  return sh`${keep}
hk_put files/${number} ${step.path} ${step.mode} ${step.owner} ${step.group}`;
}
