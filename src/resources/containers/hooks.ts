import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { Step } from "../resource.ts";
import { giveUp, stopOld } from "./release-scripts.ts";
import type { HookPlan, ReleaseResource, SlotPlan } from "./slots.ts";
import { openTraffic, splitUpstream } from "./traffic.ts";

/** What a plan says of the hooks of a release that it makes. */
export function describeHooks({ hooks = [] }: SlotPlan): string[] {
  const when = {
    pre_deploy: "once in the new image, before it gets any traffic",
    post_deploy: "once in the new image, after it has the traffic and was watched",
  };
  return hooks.map(({ name, shown }) => `${name}, ${when[name]}: ${shown}`);
}

function hookStep(hook: HookPlan, script: Script): Step {
  return {
    type: "script",
    title: `run ${hook.name} once in the new image: ${hook.shown}`,
    // The script's own patience ends first, and tidies up.
    bound: { seconds: hook.seconds + 300, waitsFor: `${hook.name}: ${hook.shown}` },
    script,
  };
}

/** `pre_deploy`, where there is one: when it fails the slot is emptied and the old release serves on. */
export function preDeploySteps(
  resource: ReleaseResource,
  next: SlotPlan,
  old: SlotPlan | undefined,
): Step[] {
  const hook = next.hooks?.find(({ name }) => name === "pre_deploy");
  if (hook === undefined) return [];
  const isStopped = old !== undefined && resource.stopsForHook === true;
  const script = joinScripts([
    isStopped ? stopOld(old) : sh``,
    sh`if ! (
${hook.run}
); then
  ${
    old === undefined || isStopped
      ? sh`:`
      : sh`if systemctl is-active -q ${old.units}; then echo "the release that serves was not touched; the next provision runs pre_deploy again" >&2; fi`
  }
${giveUp(resource, next, old)}
fi`,
  ]);
  return [hookStep(hook, script)];
}

/** `post_deploy`, where there is one: when it fails the release stays, and the step says so. */
export function postDeploySteps(resource: ReleaseResource, plan: SlotPlan): Step[] {
  const hook = plan.hooks?.find(({ name }) => name === "post_deploy");
  if (hook === undefined) return [];
  const { line } = splitUpstream(plan);
  const stays = `post_deploy failed, and release ${resource.release} has the traffic and stays; the next provision runs post_deploy again`;
  return [
    hookStep(
      hook,
      sh`${openTraffic(resource)}
if ! (
${hook.run}
); then
  if [ "$(hk_traffic)" = ${line.trimEnd()} ] && systemctl is-active -q ${plan.units}; then echo ${stays} >&2; fi
  exit 1
fi`,
    ),
  ];
}
