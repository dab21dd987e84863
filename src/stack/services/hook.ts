import type { Hook } from "../../manifest/schema.ts";
import type { HookPlan } from "../../resources/containers/slots.ts";
import { quoteWord } from "../../shell/quote.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { bindChecks, exportsOf, optionWords, userScript } from "./launcher.ts";
import type { ContainerPlan } from "./launcher.ts";

/** A container has so long to end by itself when its time is over. */
const stopSeconds = 10;
/** Of what it prints so much stays: the beginning, where a first cause is, and the end. */
const logged = { head: 1_048_576, tail: 262_144 };

/** The hooks of a workload, as they are run beside the slot of this plan. */
export function renderHooks(plan: ContainerPlan): HookPlan[] {
  const { hooks } = plan.workload;
  return (["pre_deploy", "post_deploy"] as const).flatMap((name): HookPlan[] => {
    const hook = hooks[name];
    if (hook === undefined) return [];
    return [
      {
        name,
        command: hook.command,
        seconds: hook.timeoutSeconds,
        shown: showCommand(hook.command),
        run: runScript(plan, name, hook),
      },
    ];
  });
}

/** A command in one line for a person; a long one ends in an ellipsis. */
export function showCommand(command: readonly string[], most = 160): string {
  const text = command.map(quoteWord).join(" ").replaceAll(/\s+/g, " ");
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/**
 * Runs a command once in a container of its own, which is as the release's will be but that nobody reaches it: no published port, and
 * not under the service's name. Ends with 1, having said why, where the command failed. In a shell of its own: it may `exit`.
 */
function runScript(plan: ContainerPlan, name: HookPlan["name"], hook: Hook): Script {
  const { command, timeoutSeconds: seconds } = hook;
  const memory = `${Math.round(plan.workload.resources.memoryBytes / 1024 / 1024)} MiB`;
  const remove = sh`docker rm -f ${plan.container} >/dev/null 2>&1 || true`;
  return joinScripts([
    // One that a run left that was cut off: two at once would work on the same data.
    remove,
    sh`${userScript(plan)} || exit 1`,
    bindChecks(plan),
    sh`over=$(($(date +%s) + ${seconds}))
{
  code=0
  (
    ${exportsOf(plan)}exec timeout -k ${stopSeconds} ${seconds} docker run --pull never --name ${plan.container} --user "$user" --log-driver none \\
      ${optionWords(plan, "alone")} ${plan.image} ${command}
  ) </dev/null || code=$?
  echo "$code" >hook.code
} 2>&1 | { head -c ${logged.head}; tail -c ${logged.tail}; }
code=$(cat hook.code)
memory=$(docker inspect --type container --format ${"{{.State.OOMKilled}}"} ${plan.container} 2>/dev/null) || memory=
${remove}
if [ "$code" -ne 0 ]; then
  if [ "$(date +%s)" -ge "$over" ]; then echo ${`${name} timed out: it did not end within ${seconds} s`} >&2
  elif [ "$memory" = true ]; then echo ${`${name} was killed: out of memory (resources.memory: ${memory})`} >&2
  else echo ${`${name} ended with exit status `}"$code" >&2; fi
  exit 1
fi`,
  ]);
}
