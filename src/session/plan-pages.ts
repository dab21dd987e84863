import type { Inspection } from "../host/inspect.ts";
import type { CloserLook } from "../host/obstacles.ts";
import type { Manifest } from "../manifest/schema.ts";
import { makePlanPage } from "../plan/page/page.ts";
import { renderPlanPage } from "../report/plan-page.ts";
import type { PagedPlan } from "../report/plan-page.ts";
import type { Context } from "./context.ts";

/** A host's plan with its page, as far as both looks tell. */
export function pagePlan(manifest: Manifest, seen: Inspection & CloserLook): PagedPlan {
  const { plan, system, obstacles, resources, facts, closer } = seen;
  return {
    plan,
    system: system.prettyName,
    obstacles,
    page: makePlanPage({ plan, manifest, resources, facts, closer }),
  };
}

/** The pages of plans, one below the other; with details (or -v) all changes behind each. */
export function showPlanPages(
  context: Context,
  plans: readonly PagedPlan[],
  details = false,
): string {
  const { isTTY, columns } = context.terminal.stdout;
  const verbose = context.options.verbose === true;
  const style = {
    colors: context.colors,
    // A line that goes to a file or a pipe stays in one piece; some terminals do not say how wide they are.
    width: isTTY === true ? (columns ?? 0) || 80 : Infinity,
    details: details || verbose,
    verbose,
  };
  return plans.map((shown) => renderPlanPage(shown, style)).join("\n\n");
}
