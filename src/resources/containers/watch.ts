import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { Step } from "../resource.ts";
import { endExchangeScript } from "./exchange.ts";
import { settleScript } from "./records.ts";
import {
  beginWaiting,
  emptySlot,
  formerMarkName,
  startEnabled,
  stopOld,
} from "./release-scripts.ts";
import type { ReleaseResource, SlotPlan } from "./slots.ts";
import { openTraffic } from "./traffic.ts";

/** So many failed checks in a row are a release that turned bad; one is made each second. */
const patience = 3;

/**
 * `watch_release UNIT…`: until `$over`, and beyond it for as long as a check is failing. Sets `bad` to why, and then answers 1.
 * What tells: a unit ended or was started anew, the kernel killed something in its container for its memory, its health check fails.
 * `healthy_N` is the check of the Nth unit; it sets `reply`.
 */
const watchFunctions = rawScript(`events_of() {
  timeout 10 docker events --since "$watched_from" --until "$(date +%s)" --filter "container=\${1%.service}" --filter "event=$2" --format "$3" 2>/dev/null || :
}
why_ended() {
  sleep 1
  if [ -n "$(events_of "$1" oom x)" ]; then bad="$1 ran out of memory and was killed"; return; fi
  code=$(events_of "$1" die '{{index .Actor.Attributes "exitCode"}}' | tail -n 1)
  bad="$1 ended\${code:+ with exit status $code}"
}
killed_in() {
  id=$(timeout 10 docker inspect --type container --format '{{.Id}}' "\${1%.service}" 2>/dev/null) || id=none
  killed=
  for events in "/sys/fs/cgroup/system.slice/docker-$id.scope/memory.events" "/sys/fs/cgroup/docker/$id/memory.events"; do
    [ ! -r "$events" ] || killed=$(sed -n 's/^oom_kill //p' "$events")
  done
  echo "\${killed:-0}"
}
runs_on() { [ "$(systemctl show -p ActiveState --value "$1") $(systemctl show -p InvocationID --value "$1")" = "active $2" ]; }
check_unit() {
  runs_on "$1" "$(cat "invocation-$2")" || { why_ended "$1"; return 1; }
  if [ "$(killed_in "$1")" -gt "$(cat "killed-$2")" ]; then bad="$1 ran out of memory, and something in it was killed"; return 1; fi
  reply=
  if "healthy_$2"; then echo 0 >"failures-$2"; return 0; fi
  failing=yes failures=$(($(cat "failures-$2") + 1))
  echo "$failures" >"failures-$2"
  [ "$failures" -lt ${patience} ] || { bad="$1 is not healthy any more: \${reply:-no answer}"; return 1; }
}
watch_release() {
  n=0
  for u; do
    n=$((n + 1))
    systemctl show -p InvocationID --value "$u" >"invocation-$n"
    killed_in "$u" >"killed-$n"
    echo 0 >"failures-$n"
  done
  while :; do
    n=0 failing=
    for u; do
      n=$((n + 1))
      check_unit "$u" "$n" || return 1
    done
    if [ -z "$failing" ] && [ "$(date +%s)" -ge "$over" ]; then return 0; fi
    sleep 1
  done
}`);

/** Whether a release is watched: there has to be one that the traffic can go back to. */
export function isWatched(resource: ReleaseResource, old: SlotPlan | undefined): old is SlotPlan {
  return old !== undefined && (resource.watchSeconds ?? 0) > 0;
}

/** What a plan says of the watch of a release that it makes; nothing where there is none. */
export function describeWatch(resource: ReleaseResource, old: SlotPlan | undefined): string[] {
  if (!isWatched(resource, old)) return [];
  const { watchSeconds = 0, exclusive } = resource;
  return [
    exclusive && resource.exchange === undefined
      ? `watched for ${watchSeconds} s; where it turns bad, the former release is started again`
      : `watched for ${watchSeconds} s with the traffic, which goes back to the former release where it turns bad`,
  ];
}

/**
 * The watch of a release that has the traffic; where it turns bad the traffic goes back and the step fails.
 * @param id of its record, where an earlier run made it; absent: this run does
 */
export function watchSteps(
  resource: ReleaseResource,
  next: SlotPlan,
  old: SlotPlan | undefined,
  id?: string,
): Step[] {
  if (!isWatched(resource, old)) return [];
  const { watchSeconds = 0, graceSeconds } = resource;
  const units = next.units.join(", ");
  return [
    {
      type: "script",
      title: `watch ${units} for ${watchSeconds} s`,
      // The script's own patience ends first.
      bound: {
        seconds: watchSeconds + 2 * graceSeconds + 600,
        waitsFor: `${units} to stay well`,
      },
      script: watchScript(resource, next, old, id),
    },
  ];
}

function watchScript(
  resource: ReleaseResource,
  next: SlotPlan,
  old: SlotPlan,
  id: string | undefined,
): Script {
  const { watchSeconds = 0 } = resource;
  return joinScripts([
    openTraffic(resource),
    id === undefined ? sh`id=\${HOSTKIT_RUN##*/}` : sh`id=${id}`,
    sh`record=$hk_records/$id.jsonl former=$hk_records/$id/${formerMarkName}`,
    beginWaiting(next.units, resource.graceSeconds),
    sh`watched_from=$began
began=$(sed -n ${String.raw`s/^{"state":"begun","at":\([0-9]*\)}$/\1/p`} "$record" | head -n 1)
[ -n "$began" ] || began=$watched_from`,
    watchFunctions,
    ...(next.checks ?? []).map(
      (healthy, index) => sh`${{ text: `healthy_${index + 1}` }}() {
${healthy}
healthy
}`,
    ),
    // What an earlier run found, and did not come to do.
    sh`bad=$(sed -n ${String.raw`s/^{"bad":"\(.*\)"}$/\1/p`} "$record" | tail -n 1)
if [ -z "$bad" ]; then
  systemctl start --no-block ${next.units}
  if wait_healthy 2>waited; then
    over=$(($(date +%s) + ${watchSeconds}))
    if watch_release ${next.units}; then
      echo ${'{"watched":true}'} | hk_amend "$record"
      exit 0
    fi
  else
    bad=$(head -n 1 waited)
  fi
fi
bad=$(printf %s "$bad" | tr -d ${String.raw`\000-\037"\\\177`} | cut -c1-300)`,
    takeBackScript(resource, next, old),
  ]);
}

/** Stops a release that turned bad before the former one starts: one replica at a time where there are several. */
function takeOut(resource: ReleaseResource, next: SlotPlan, old: SlotPlan): Script {
  if (resource.exchange === undefined) return stopOld(next);
  return sh`grace=${resource.graceSeconds}
former_units=$units
hk_exchange_replicas ${old.slot} 0 || echo "a former replica is not healthy yet" >&2
units=$former_units
${stopOld(next)}`;
}

/** First what was found is written down, then the old one is seen to run, then the traffic goes to it, then the record says so. */
function takeBackScript(resource: ReleaseResource, next: SlotPlan, old: SlotPlan): Script {
  return joinScripts([
    sh`show_logs
units=
for u in ${old.possibleUnits}; do if systemctl is-enabled -q "$u" 2>/dev/null; then units="$units $u"; fi; done
[ -e "$former" ] && [ -n "$units" ] || { echo "$bad; there is no former release left to go back to" >&2; exit 1; }
printf '{"bad":"%s"}\\n' "$bad" | hk_amend "$record"`,
    resource.exclusive ? takeOut(resource, next, old) : sh``,
    startEnabled(old),
    sh`is_up() { for u in $units; do systemctl is-active -q "$u" || return 1; done; }
deadline=$(($(date +%s) + ${resource.graceSeconds}))
until is_up || [ "$(date +%s)" -ge "$deadline" ]; do sleep 0.2; done
${
  resource.exclusive
    ? sh`is_up || echo "the former release was started again, and is not healthy yet" >&2`
    : sh`is_up || { echo "$bad; the former release does not run either: the traffic stays where it is" >&2; exit 1; }`
}`,
    sh`hk_send "$former"`,
    endExchangeScript(resource),
    emptySlot(next),
    settleScript(resource),
    sh`echo "turned bad while it was watched: $bad" >&2
serves=$(hk_traffic | sed -n ${String.raw`s/^# hostkit: slot ., release \([0-9a-f]*\),.*/\1/p`})
echo "the traffic is back on release $serves" >&2
exit 1`,
  ]);
}
