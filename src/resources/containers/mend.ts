import { findServing, releaseFacts } from "../../facts/containers/releases.ts";
import type { ActiveRelease } from "../../facts/containers/releases.ts";
import type { Facts } from "../../facts/fact.ts";
import { usedUnitFacts } from "../../facts/units/unit.ts";
import { joinScripts } from "../../shell/script.ts";
import { idOf } from "../resource.ts";
import type { Change } from "../resource.ts";
import { listExchangeFaults } from "./exchange.ts";
import { postDeploySteps } from "./hooks.ts";
import {
  leaveExchange,
  mendScript,
  pruneImages,
  retireScript,
  switchScript,
  waitForHealth,
} from "./release-scripts.ts";
import type { ReleaseResource, SlotPlan } from "./slots.ts";
import { drainUnitOf, listTrafficFaults, trafficSteps } from "./traffic.ts";
import { watchSteps } from "./watch.ts";

/** The right release is in place, but not all of it stands as it should, or a run did not come to its end. */
export function mend(
  resource: ReleaseResource,
  { slot }: ActiveRelease,
  facts: Facts,
  isUnfinished: boolean,
): Change | undefined {
  const plan = resource.slots[slot];
  const idle = resource.slots[slot === "a" ? "b" : "a"];
  const unwatched = findUnwatched(resource, facts);
  const reasons = [
    ...(unwatched === undefined ? [] : ["a run ended before it was watched to the end"]),
    ...listFaults(resource, plan, idle, facts),
  ];
  if (reasons.length === 0 && isUnfinished)
    reasons.push(
      plan.hooks?.some(({ name }) => name === "post_deploy") === true
        ? "a run ended before it was done with the former release and post_deploy had run"
        : "a run ended before it was done with the former release",
    );
  if (reasons.length === 0) return undefined;
  return {
    id: idOf(resource),
    action: "restart",
    because: reasons.join(", "),
    steps: [
      ...(unwatched === undefined ? [] : watchSteps(resource, plan, idle, unwatched)),
      ...trafficSteps(resource),
      {
        type: "script",
        title: `start ${plan.units.join(", ")} and wait until healthy`,
        bound: waitForHealth(resource, plan),
        script: joinScripts([leaveExchange(resource, plan), mendScript(resource, plan)]),
      },
      {
        type: "script",
        title: `send the traffic to slot ${slot}`,
        script: joinScripts([
          switchScript(resource, plan, undefined),
          retireScript(resource, idle),
          pruneImages(resource),
        ]),
      },
      // The run that was to run it did not come to its end.
      ...(isUnfinished ? postDeploySteps(resource, plan) : []),
    ],
  };
}

/** The record of what serves, where its watch did not come to its end. */
function findUnwatched(
  { stack, service, watchSeconds = 0 }: ReleaseResource,
  facts: Facts,
): string | undefined {
  const serving = findServing(facts.get(releaseFacts, stack), service);
  const isOpen = serving?.watch !== undefined && serving.watched !== true && watchSeconds > 0;
  return isOpen ? serving.id : undefined;
}

/** What does not stand as the release in this slot wants it. */
function listFaults(
  resource: ReleaseResource,
  plan: SlotPlan,
  idle: SlotPlan,
  facts: Facts,
): string[] {
  const reasons: string[] = [];
  for (const name of plan.units) {
    const fact = facts.get(usedUnitFacts, name);
    if (fact?.loadState === "masked") reasons.push(`${name} is masked`);
    else if (fact?.unitFileState !== "enabled") reasons.push(`${name} is not enabled`);
    if (fact?.activeState !== "active")
      reasons.push(`${name} is ${fact?.activeState ?? "inactive"}`);
    if (fact?.needsDaemonReload === true) reasons.push(`${name} changed on disk`);
  }
  const leftover = idle.units.filter((name) => {
    const fact = facts.get(usedUnitFacts, name);
    return (
      fact !== undefined &&
      (["active", "activating"].includes(fact.activeState) || fact.unitFileState === "enabled")
    );
  });
  const drains = facts.get(usedUnitFacts, drainUnitOf(resource.stack, resource.service));
  if (leftover.length > 0 && drains?.activeState !== "active")
    reasons.push(`${leftover.join(", ")} of another release still runs`);
  return [
    ...reasons,
    ...listExchangeFaults(resource, facts),
    ...listTrafficFaults(resource, plan, facts),
  ];
}
