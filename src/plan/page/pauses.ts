import type { Facts } from "../../facts/fact.ts";
import type { AnyService, Manifest } from "../../manifest/schema.ts";
import { findService } from "../../manifest/services.ts";
import { allAtOnceNote } from "../../resources/containers/exchange.ts";
import { defaultDrainSeconds } from "../../resources/containers/slots.ts";
import { isPostgresUnit } from "../../resources/postgres/unit.ts";
import { reloadNote, restartNote } from "../../resources/proxy/caddy-places.ts";
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
  const isDatabaseTold = plan.changes.some(
    ({ away }) => away !== undefined && away.onlyIf === undefined,
  );
  return plan.changes.flatMap((change): Pause[] => {
    // Whichever of both comes first starts the server anew, and the other sees that.
    if (isDatabaseTold && change.kind === "unit" && isPostgresUnit(change.name ?? "")) return [];
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
    return isAway(change, findService(manifest, name)) ? { what: name, isPartly: true } : undefined;
  if (change.notes?.includes(restartNote) === true) return { what: "Caddy, with all sites" };
  return undefined;
}

/** The old release stops before the new one starts, and no replica of it has the traffic meanwhile. */
function isAway({ notes = [] }: PlannedChange, service: AnyService | undefined): boolean {
  if (service?.stateful !== true) return false;
  return !hasReplicas(service) || notes.includes(allAtOnceNote);
}

function hasReplicas(service: AnyService): boolean {
  return service.section === "web" && service.replicas > 1;
}

/** What ends for those who are connected. */
export function listCuts({ changes }: Plan, manifest: Manifest): string[] {
  const isReloaded = changes.some(({ notes }) => notes?.includes(reloadNote) === true);
  return [
    ...(isReloaded ? ["open WebSockets of every site: Caddy is reloaded"] : []),
    ...changes
      .filter(switches)
      .flatMap(({ name = "" }) => describeDrain(findService(manifest, name))),
  ];
}

function describeDrain(service: AnyService | undefined): string[] {
  if (service?.section !== "web" || (service.stateful && !hasReplicas(service))) return [];
  const { name, drainSeconds = defaultDrainSeconds } = service;
  const when = drainSeconds === 0 ? "at once" : `after ${sayDuration(drainSeconds)}`;
  return [`what the old release of ${name} still has open ${when}`];
}

function sayDuration(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

/** The same change without the notes that rows of the page tell. */
export function withoutToldNotes(change: PlannedChange): PlannedChange {
  const { notes, ...rest } = change;
  const left = (notes ?? []).filter((note) => note !== reloadNote && note !== restartNote);
  return left.length === 0 ? rest : { ...rest, notes: left };
}

/** A release that gets the traffic of another. */
function switches({ kind, action, steps }: PlannedChange): boolean {
  const drains = steps.some(
    (step) => step.type === "script" && step.title.startsWith("drain and stop"),
  );
  return kind === "release" && action === "update" && drains;
}
