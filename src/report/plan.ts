import { titleOf } from "../plan/bundle.ts";
import type { PlanPage } from "../plan/page/page.ts";
import type { Plan, PlannedChange } from "../plan/types.ts";
import type { ErrorCode, HostkitError } from "../errors.ts";
import type { Action } from "../resources/resource.ts";
import type { Colors } from "./colors.ts";
import { plainText } from "./terminal-text.ts";

/** A plan and what it is for, as shown. */
export interface ShownPlan {
  readonly plan: Plan;
  /** "Debian GNU/Linux 13 (trixie)" */
  readonly system: string;
  /** What `provision` would refuse to begin for. */
  readonly obstacles?: readonly HostkitError[];
  /** What it comes to. */
  readonly page?: PlanPage;
}

interface PlanStyle {
  readonly colors: Colors;
  /** Diffs whole and the titles of all steps. */
  readonly verbose: boolean;
  /** Diffs whole. */
  readonly isWhole?: boolean;
}

/** What stands before a change. */
export const symbols: Readonly<Record<Action, string>> = {
  create: "+",
  update: "~",
  restart: "↻",
  reload: "↻",
  run: "▸",
  delete: "-",
};

/** Lines of a diff shown without --verbose. */
const shortDiff = 16;

/** The plan for a terminal: what would change, grouped by what it is about, each with its reason. No trailing newline. */
export function renderPlan({ plan, system, obstacles = [] }: ShownPlan, style: PlanStyle): string {
  const { colors } = style;
  const title = `${colors.bold(plan.host)} ${colors.dim(`(${system})`)}`;
  const about = plan.part === undefined ? "" : ` for ${plan.part.label}`;
  const outside = describeOutside(plan).map((line) => colors.dim(`  ${line}`));
  if (plan.changes.length === 0)
    return [`${title}: nothing to change${about}`, ...outside].join("\n");
  const lines = [`${title}: ${countActions(plan.changes)}${about}`];
  for (const [group, changes] of groupChanges(plan.changes)) {
    lines.push("", `  ${colors.bold(group)}`);
    for (const change of changes) lines.push(...renderChange(change, style));
  }
  if (outside.length > 0) lines.push("", ...outside);
  lines.push(...renderObstacles(obstacles, colors));
  return lines.join("\n");
}

/** What `provision` would refuse to begin for, with what to do. */
export function renderObstacles(obstacles: readonly HostkitError[], colors: Colors): string[] {
  return obstacles.flatMap(({ parts }) => [
    "",
    `  ${colors.red(`provision would refuse: ${plainText(parts.what)}`)}`,
    ...(parts.details ?? []).map((detail) => `  ${colors.dim(`| ${plainText(detail)}`)}`),
    ...(parts.next === undefined ? [] : [`  ${colors.dim(`next: ${plainText(parts.next)}`)}`]),
  ]);
}

/** What a plan with a scope leaves to others; nothing where nothing waits. */
export function describeOutside({ part }: Plan): string[] {
  if (part === undefined) return [];
  const { label, waiting, left } = part;
  const count = (number: number, word: string): string =>
    `${number} ${word}${number === 1 ? "" : "s"}`;
  const parts = [
    ...(waiting.changes > 0 ? [count(waiting.changes, "change")] : []),
    ...(waiting.removals > 0 ? [count(waiting.removals, "removal")] : []),
  ];
  const verb = waiting.changes + waiting.removals === 1 ? "waits" : "wait";
  return [
    ...left.map(
      ({ id, because }) => `left as it is, though ${label} has a part in it: ${id} (${because})`,
    ),
    ...(parts.length === 0
      ? []
      : [
          `outside ${label}: ${parts.join(" and ")} ${verb}${waiting.removals > 0 ? " (only a run without --only removes anything)" : ""}`,
        ]),
  ];
}

/** `12 changes (10 to create, 2 to restart)` */
export function countActions(changes: readonly { readonly action: string }[]): string {
  const counts = new Map<string, number>();
  for (const { action } of changes) counts.set(action, (counts.get(action) ?? 0) + 1);
  const parts = [...counts].map(([action, number]) => `${number} to ${action}`);
  return `${changes.length} change${changes.length === 1 ? "" : "s"} (${parts.join(", ")})`;
}

/** Notes that the reason does not tell already. */
export function newsOf({
  because,
  notes = [],
}: Pick<PlannedChange, "because" | "notes">): string[] {
  return notes.filter((note) => !because.includes(note));
}

function renderChange(
  change: PlannedChange,
  { colors, verbose, isWhole = verbose }: PlanStyle,
): string[] {
  const paint = paintOf(change.action, colors);
  const guard =
    change.guard === undefined
      ? ""
      : colors.yellow(
          `  (undone by the host after ${change.guard.seconds} s, unless this machine still gets in)`,
        );
  const inScope =
    change.inScopeBecause === undefined ? "" : colors.yellow(`  (${change.inScopeBecause})`);
  const lines = [
    `  ${paint(symbols[change.action])} ${change.id}  ${colors.dim(plainText(change.because))}${inScope}${guard}`,
  ];
  for (const note of newsOf(change)) lines.push(`      ${colors.yellow(plainText(note))}`);
  if (verbose) {
    for (const step of change.steps) lines.push(colors.dim(`      · ${titleOf(step)}`));
  }
  const difference = change.difference ?? [];
  // All of a new file is news; it would bury the plan.
  const limit = isWhole ? Infinity : change.action === "create" ? 0 : shortDiff;
  const shown = difference.slice(0, limit);
  for (const line of shown) {
    const tint = line.startsWith("+")
      ? colors.green
      : line.startsWith("~")
        ? colors.yellow
        : line.startsWith("-")
          ? colors.red
          : colors.dim;
    lines.push(`      ${tint(plainText(line))}`);
  }
  if (shown.length > 0 && shown.length < difference.length) {
    lines.push(colors.dim(`      … ${difference.length - shown.length} more lines: --verbose`));
  }
  return lines;
}

/** The colour of a change's mark. */
export function paintOf(action: Action, colors: Colors): (text: string) => string {
  if (action === "create") return colors.green;
  if (action === "delete") return colors.red;
  return colors.yellow;
}

function groupChanges(changes: readonly PlannedChange[]): Map<string, PlannedChange[]> {
  const found = new Map<string, PlannedChange[]>();
  for (const change of changes) {
    const name = change.action === "delete" ? "no longer wanted" : (change.group ?? "other");
    found.set(name, [...(found.get(name) ?? []), change]);
  }
  return found;
}

/** The stable JSON form of plans; `hostkit plan --json` and `--out`. Holds no content of secrets. */
export interface PlanDocument {
  readonly version: 1;
  readonly stack: string;
  /** Services that it is for; absent: for all that is wanted. */
  readonly only?: readonly string[];
  readonly hosts: readonly {
    readonly host: string;
    readonly system: string;
    readonly fingerprint: string;
    /** With `only`: what a plan without it has more. */
    readonly outside?: { readonly changes: number; readonly removals: number };
    /** With `only`: what it has a part in and has to leave as it is. */
    readonly left?: readonly { readonly id: string; readonly because: string }[];
    /** What `provision` would refuse to begin for; absent where there is nothing. */
    readonly obstacles?: readonly {
      readonly code: ErrorCode;
      readonly what: string;
      readonly details?: readonly string[];
      readonly next?: string;
    }[];
    /** What the plan comes to; absent where nothing changes. */
    readonly page?: PageDocument;
    readonly changes: readonly {
      readonly id: string;
      readonly action: Action;
      readonly because: string;
      /** With `only`: why it is in the plan, where it is not its services' alone. */
      readonly inScopeBecause?: string;
      readonly waitsFor: readonly string[];
      readonly steps: readonly string[];
      /** What happens along with it. */
      readonly notes?: readonly string[];
      readonly guardSeconds?: number;
      /** Names of variables that it adds, changes and takes away. */
      readonly variables?: readonly string[];
      readonly difference?: readonly string[];
    }[];
  }[];
}

/** A page with the ids of its changes by heading. */
type PageDocument = Omit<PlanPage, "headings"> & {
  readonly headings: readonly { readonly heading: string; readonly changes: readonly string[] }[];
};

function describePage({ headings, ...page }: PlanPage): PageDocument {
  return {
    ...page,
    headings: headings.map(({ heading, changes }) => ({
      heading,
      changes: changes.map(({ id }) => id),
    })),
  };
}

type Obstacle = NonNullable<PlanDocument["hosts"][number]["obstacles"]>[number];

function describeObstacle({ code, parts: { what, details, next } }: HostkitError): Obstacle {
  return {
    code,
    what,
    ...(details === undefined ? {} : { details }),
    ...(next === undefined ? {} : { next }),
  };
}

export function describePlans(stack: string, plans: readonly ShownPlan[]): PlanDocument {
  const only = plans[0]?.plan.part?.services;
  return {
    version: 1,
    stack,
    ...(only === undefined ? {} : { only }),
    hosts: plans.map(({ plan, system, obstacles = [], page }) => ({
      host: plan.host,
      system,
      fingerprint: plan.fingerprint,
      ...(plan.part === undefined ? {} : { outside: plan.part.waiting, left: plan.part.left }),
      ...(obstacles.length === 0 ? {} : { obstacles: obstacles.map(describeObstacle) }),
      ...(page === undefined || plan.changes.length === 0 ? {} : { page: describePage(page) }),
      changes: plan.changes.map((change) => ({
        id: change.id,
        action: change.action,
        because: change.because,
        ...(change.inScopeBecause === undefined ? {} : { inScopeBecause: change.inScopeBecause }),
        waitsFor: change.waitsFor,
        steps: change.steps.filter(({ type }) => type !== "upload").map(titleOf),
        ...(change.notes === undefined ? {} : { notes: change.notes }),
        ...(change.guard === undefined ? {} : { guardSeconds: change.guard.seconds }),
        ...(change.variables === undefined ? {} : { variables: change.variables }),
        ...(change.difference === undefined ? {} : { difference: change.difference }),
      })),
    })),
  };
}
