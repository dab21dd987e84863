import { titleOf } from "../plan/bundle.ts";
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
}

interface PlanStyle {
  readonly colors: Colors;
  /** Diffs whole and the titles of all steps. */
  readonly verbose: boolean;
}

const symbols: Readonly<Record<Action, string>> = {
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
  if (plan.changes.length === 0) return `${title}: nothing to change`;
  const lines = [`${title}: ${countActions(plan.changes)}`];
  for (const [group, changes] of groupChanges(plan.changes)) {
    lines.push("", `  ${colors.bold(group)}`);
    for (const change of changes) lines.push(...renderChange(change, style));
  }
  for (const { parts } of obstacles) {
    lines.push("", `  ${colors.red(`provision would refuse: ${plainText(parts.what)}`)}`);
    for (const detail of parts.details ?? [])
      lines.push(`  ${colors.dim(`| ${plainText(detail)}`)}`);
    if (parts.next !== undefined) lines.push(`  ${colors.dim(`next: ${plainText(parts.next)}`)}`);
  }
  return lines.join("\n");
}

/** `12 changes (10 to create, 2 to restart)` */
export function countActions(changes: readonly { readonly action: string }[]): string {
  const counts = new Map<string, number>();
  for (const { action } of changes) counts.set(action, (counts.get(action) ?? 0) + 1);
  const parts = [...counts].map(([action, number]) => `${number} to ${action}`);
  return `${changes.length} change${changes.length === 1 ? "" : "s"} (${parts.join(", ")})`;
}

function renderChange(change: PlannedChange, { colors, verbose }: PlanStyle): string[] {
  const paint = paintOf(change.action, colors);
  const guard =
    change.guard === undefined
      ? ""
      : colors.yellow(
          `  (undone by the host after ${change.guard.seconds} s, unless this machine still gets in)`,
        );
  const lines = [
    `  ${paint(symbols[change.action])} ${change.id}  ${colors.dim(plainText(change.because))}${guard}`,
  ];
  if (verbose) {
    for (const step of change.steps) lines.push(colors.dim(`      · ${titleOf(step)}`));
  }
  const difference = change.difference ?? [];
  // All of a new file is news; it would bury the plan.
  const limit = verbose ? Infinity : change.action === "create" ? 0 : shortDiff;
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

function paintOf(action: Action, colors: Colors): (text: string) => string {
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
  readonly hosts: readonly {
    readonly host: string;
    readonly system: string;
    readonly fingerprint: string;
    /** What `provision` would refuse to begin for; absent where there is nothing. */
    readonly obstacles?: readonly {
      readonly code: ErrorCode;
      readonly what: string;
      readonly details?: readonly string[];
      readonly next?: string;
    }[];
    readonly changes: readonly {
      readonly id: string;
      readonly action: Action;
      readonly because: string;
      readonly waitsFor: readonly string[];
      readonly steps: readonly string[];
      readonly guardSeconds?: number;
      readonly difference?: readonly string[];
    }[];
  }[];
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
  return {
    version: 1,
    stack,
    hosts: plans.map(({ plan, system, obstacles = [] }) => ({
      host: plan.host,
      system,
      fingerprint: plan.fingerprint,
      ...(obstacles.length === 0 ? {} : { obstacles: obstacles.map(describeObstacle) }),
      changes: plan.changes.map((change) => ({
        id: change.id,
        action: change.action,
        because: change.because,
        waitsFor: change.waitsFor,
        steps: change.steps.filter(({ type }) => type !== "upload").map(titleOf),
        ...(change.guard === undefined ? {} : { guardSeconds: change.guard.seconds }),
        ...(change.difference === undefined ? {} : { difference: change.difference }),
      })),
    })),
  };
}
