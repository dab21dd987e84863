import type { Facts } from "../../facts/fact.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { findService } from "../../manifest/services.ts";
import { unitId } from "../../resources/units/unit.ts";
import type { Step } from "../../resources/resource.ts";
import type { Plan, PlannedChange } from "../types.ts";
import { secondsOf } from "./estimate.ts";

/** Something that does not answer for a while. */
export interface Pause {
  readonly what: string;
  /** Only on this condition. */
  readonly onlyIf?: string;
  /** What it took the last time; absent: it was not done before. */
  readonly seconds?: number;
  /** Of a release, which is away for a part of that. */
  readonly isPartly?: true;
}

/** What is stopped and started again, or started anew. */
export function listPauses(plan: Plan, manifest: Manifest, closer: Facts): Pause[] {
  return plan.changes.flatMap((change): Pause[] => {
    const paused = pausedBy(change, plan, manifest);
    if (paused === undefined) return [];
    const seconds = secondsOf(plan, change, closer);
    return [{ ...paused, ...(seconds === undefined ? {} : { seconds }) }];
  });
}

function pausedBy(
  change: PlannedChange,
  plan: Plan,
  manifest: Manifest,
): Omit<Pause, "seconds"> | undefined {
  const { kind, name = "", action, away } = change;
  if (away !== undefined) return away;
  // A timer's next time stays; nobody waits for it.
  if (kind === "unit" && action === "restart" && !name.endsWith(".timer"))
    return { what: name.replace(/\.service$/, "").replace(`${plan.stack}-`, "") };
  if (switches(change))
    return findService(manifest, name)?.stateful === true
      ? { what: name, isPartly: true }
      : undefined;
  if (doesToProxy(change, "restart") && isProxyThere(plan))
    return { what: "Caddy, with all sites" };
  return undefined;
}

/** What ends for those who are connected. */
export function listCuts(plan: Plan, manifest: Manifest): string[] {
  const isReloaded = plan.changes.some((change) => doesToProxy(change, "reload"));
  const switched = plan.changes.filter(switches).flatMap(({ name }) => name ?? []);
  const drained = switched.filter((name) => findService(manifest, name)?.stateful !== true);
  return [
    ...(isReloaded && isProxyThere(plan)
      ? ["open WebSockets and event streams of every site: Caddy is reloaded"]
      : []),
    ...(drained.length === 0
      ? []
      : [`what the old release of ${drained.join(", ")} still has open once it has drained`]),
  ];
}

/** A release that gets the traffic of another. */
function switches({ kind, action, steps }: PlannedChange): boolean {
  const drains = steps.some(
    (step) => step.type === "script" && step.title.startsWith("drain and stop"),
  );
  return kind === "release" && action === "update" && drains;
}

/** Whether a change starts the proxy anew, or lets it read its configuration; the watch of a release only does where that turns bad. */
function doesToProxy({ kind, steps }: PlannedChange, verb: "reload" | "restart"): boolean {
  const scripts = steps.filter(
    (step): step is Extract<Step, { type: "script" }> => step.type === "script",
  );
  if (kind === "caddy") return scripts.some(({ title }) => title.startsWith(`${verb} Caddy`));
  return (
    kind === "release" &&
    scripts.some(
      ({ title, script }) =>
        !title.startsWith("watch ") && script.text.includes(`systemctl ${verb} caddy`),
    )
  );
}

/** A proxy that this very plan brings has no connections yet. */
function isProxyThere({ changes }: Plan): boolean {
  return !changes.some(
    ({ id, action, installs }) =>
      (id === unitId("caddy.service") && action === "create") ||
      (installs ?? []).some((word) => /^caddy(?:=|$)/.test(word)),
  );
}
