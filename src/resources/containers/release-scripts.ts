import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { Bound } from "../resource.ts";
import { exchangeBackScript, endExchangeScript } from "./exchange.ts";
import { noteFilesScript, pruneImagesScript, recordsDirectoryOf, settleScript } from "./records.ts";
import { hookContainerOf } from "./slots.ts";
import type { ReleaseResource, SlotPlan } from "./slots.ts";
import { drainSecondsOf, layScript, openTraffic, renderRouting, sendScript } from "./traffic.ts";

/** Beside its record: where the traffic went before a release, as the mark had it. */
export const formerMarkName = "former";

/** Waits for `$units` until the clock says `$deadline`; says why they did not come up. */
const waitFunctions = rawScript(`show_logs() {
  for u in $units; do
    echo "what $u said, its first and its last lines:" >&2
    # A first cause stands far above what follows from it.
    journalctl -u "$u" --since "@$began" --no-pager -o cat | cut -c1-2000 |
      awk 'NR <= 300 { print; next } { last[NR % 60] = $0 } END { for (i = NR > 360 ? NR - 59 : 301; i <= NR; i++) print last[i % 60] }' >&2 || true
  done
}
wait_healthy() {
  while :; do
    waiting=
    for u in $units; do
      case $(systemctl is-active "$u") in active) ;; *) waiting="$waiting $u" ;; esac
      restarts=$(systemctl show -p NRestarts --value "$u")
      if [ "\${restarts:-0}" -ge 4 ]; then echo "$u ends again and again" >&2; show_logs; return 1; fi
    done
    [ -n "$waiting" ] || return 0
    if [ "$(date +%s)" -ge "$deadline" ]; then
      echo "not healthy after \${grace} s:$waiting" >&2; show_logs; return 1
    fi
    sleep 0.2
  done
}`);

/** Sets `units`, `grace`, `began`, `deadline`, and the functions `wait_healthy` and `show_logs` that go by them. */
export function beginWaiting(units: readonly string[], graceSeconds: number): Script {
  return joinScripts([
    sh`units=${units.join(" ")} grace=${graceSeconds}
began=$(date +%s) deadline=$(($(date +%s) + ${graceSeconds}))`,
    waitFunctions,
  ]);
}

/** Takes a slot away: its units and containers, and the files it has. */
export function emptySlot(plan: SlotPlan): Script {
  return sh`systemctl stop ${plan.possibleUnits} 2>/dev/null || true
systemctl disable -q ${plan.possibleUnits} 2>/dev/null || true
rm -f ${plan.files.map((file) => file.path)}
systemctl daemon-reload
systemctl reset-failed ${plan.possibleUnits} 2>/dev/null || true`;
}

/** The units the release really had: those of the manifest may be fewer or more by now. */
export function startEnabled(plan: SlotPlan): Script {
  return sh`for u in ${plan.possibleUnits}; do
  if systemctl is-enabled -q "$u" 2>/dev/null; then systemctl start --no-block "$u" || true; fi
done`;
}

/** Stops the release that serves, before one that must not run beside it. */
export function stopOld(old: SlotPlan): Script {
  return sh`systemctl stop ${old.possibleUnits} 2>/dev/null || true`;
}

/** A release that does not come to serve: its slot is emptied, the old one is started where it was stopped, and the record says so. */
export function giveUp(
  resource: ReleaseResource,
  next: SlotPlan,
  old: SlotPlan | undefined,
): Script {
  return joinScripts([
    old === undefined ? sh`` : leaveExchange(resource, old),
    emptySlot(next),
    old === undefined || !resource.exclusive
      ? sh``
      : sh`echo "starting the former release again" >&2
${startEnabled(old)}`,
    settleScript(resource),
    sh`exit 1`,
  ]);
}

/** Where replicas are being exchanged, all of them run in this slot again, and it alone has the traffic. */
export function leaveExchange(resource: ReleaseResource, to: SlotPlan): Script {
  if (resource.exchange === undefined) return sh``;
  return joinScripts([
    openTraffic(resource),
    beginWaiting(to.units, resource.graceSeconds),
    exchangeBackScript(resource, to),
    endExchangeScript(resource),
  ]);
}

/**
 * Puts the new release in the old one's place, where both must not run at once: one replica at a time where there are several and Caddy
 * has them so in its configuration, else all at once. Ends in a failure where the new one does not become healthy.
 */
function replaceScript(resource: ReleaseResource, next: SlotPlan, old: SlotPlan): Script {
  // The old one may take its time to stop: none of it is the new one's.
  const atOnce = sh`${stopOld(old)}
deadline=$(($(date +%s) + grace))
systemctl start --no-block ${next.units} && wait_healthy`;
  if (resource.exchange === undefined) return atOnce;
  return sh`printf '%s' ${renderRouting(resource)} >routing
if cmp -s routing "$hk_switch"; then
  hk_exchange_replicas ${next.slot} ${drainSecondsOf(resource)} && units=${next.units.join(" ")}
else
${atOnce}
fi`;
}

/** Starts a release in its slot; when it does not get healthy the slot is emptied and the old one serves on. */
export function startScript(
  resource: ReleaseResource,
  next: SlotPlan,
  old: SlotPlan | undefined,
): Script {
  const unused = next.possibleUnits.filter((name) => !next.units.includes(name));
  return joinScripts([
    noteFilesScript(resource, next),
    // An earlier run was cut short between two replicas: the one that goes on serving has all of them first.
    old === undefined ? sh`` : leaveExchange(resource, old),
    openTraffic(resource),
    beginWaiting(next.units, resource.graceSeconds),
    // A hook of a run that was cut off may still be at it.
    sh`docker rm -f ${hookContainerOf(resource.stack, resource.service)} >/dev/null 2>&1 || true
systemctl stop ${next.possibleUnits} 2>/dev/null || true
for u in ${unused}; do rm -f "/etc/systemd/system/$u"; done
${unused.length === 0 ? sh`` : sh`rm -f ${launchersOf(resource.upstreamPath, unused)}`}
systemctl daemon-reload
systemctl reset-failed ${next.possibleUnits} 2>/dev/null || true`,
    sh`replace_release() {
${
  old !== undefined && resource.exclusive
    ? replaceScript(resource, next, old)
    : sh`systemctl start --no-block ${next.units} && wait_healthy`
}
}
if ! replace_release; then
${giveUp(resource, next, old)}
fi`,
  ]);
}

/**
 * A login with the service's own uid, in the container's network, through the socket as the container sees it
 * (a folder handle into its mount name space); and the same as nobody, which has to fail.
 */
export function seamScript(
  resource: ReleaseResource,
  seam: NonNullable<ReleaseResource["seam"]>,
  next: SlotPlan,
  old: SlotPlan | undefined,
): Script {
  return sh`prove() {
  pid=$(docker inspect --type container --format ${"{{.State.Pid}}"} "$1")
  exec 9<"/proc/$pid/root/run/postgresql"
  login() {
    nsenter --net="/proc/$pid/ns/net" setpriv --reuid "$1" --regid "$2" --clear-groups --no-new-privs \\
      psql -w -q -A -t -h /proc/self/fd/9 ${seam.port === undefined ? sh`` : sh`-p ${seam.port} `}-U ${seam.role} -d ${seam.database} -c "select current_user" </dev/null
  }
  who=$(login "$(id -u ${seam.user})" "$(id -g ${seam.user})") || return 1
  [ "$who" = ${seam.role} ] || { echo "the database takes ${seam.user} for $who" >&2; return 1; }
  if login nobody nogroup >/dev/null 2>&1; then
    echo "the database lets any user in as ${seam.role}" >&2; return 1
  fi
}
for u in ${next.units}; do
  if ! prove "\${u%.service}"; then
${giveUp(resource, next, old)}
  fi
done`;
}

/** Where the traffic goes back to, kept for as long as the release is: another run may have to do it. */
function keepFormer({ stackDirectory, service }: ReleaseResource): Script {
  return sh`kept=${recordsDirectoryOf(stackDirectory, service)}/"\${HOSTKIT_RUN##*/}"
if [ -s former ] && [ -d "$kept" ]; then (umask 077; cp former "$kept"/${formerMarkName} && sync "$kept"/${formerMarkName}); fi`;
}

/** Moves the traffic; where the proxy does not follow, everything is as it was. Wants `upstream-a` and `upstream-b`. */
export function switchScript(
  resource: ReleaseResource,
  next: SlotPlan,
  old: SlotPlan | undefined,
): Script {
  const undo =
    old === undefined
      ? sh`:`
      : sh`if [ -s former ]; then hk_send former; fi
${emptySlot(next)}
${startEnabled(old)}
hk_settle_releases`;
  return joinScripts([
    openTraffic(resource),
    sh`systemctl enable -q ${next.units}
hk_traffic >former || :
${old === undefined ? sh`` : keepFormer(resource)}`,
    layScript(resource, next, undo),
    sendScript(resource, next, undo),
    sh`hk_settle_releases`,
  ]);
}

/** So long a run waits for what a slot still has; what takes longer is waited for by a unit of its own. */
const drainPatienceSeconds = 3;

/**
 * Stops a slot that lost the traffic once nobody is connected to it; its files stay for a rollback.
 * @param waits false: the run goes on at once
 */
export function retireScript(resource: ReleaseResource, old: SlotPlan, waits = true): Script {
  const seconds = drainSecondsOf(resource);
  return joinScripts([
    openTraffic(resource),
    sh`hk_retire ${old.slot} ${seconds} ${waits ? drainPatienceSeconds : 0} ${old.possibleUnits}`,
  ]);
}

/** Waits until what a slot still has is ended: a new release needs it. */
export function awaitDrainScript(resource: ReleaseResource, next: SlotPlan): Script {
  return joinScripts([
    openTraffic(resource),
    sh`hk_await_drain ${drainSecondsOf(resource)} ${next.possibleUnits}`,
  ]);
}

/** Brings the units of the active slot to life again. */
export function mendScript(
  resource: Pick<ReleaseResource, "graceSeconds">,
  plan: SlotPlan,
): Script {
  return joinScripts([
    beginWaiting(plan.units, resource.graceSeconds),
    sh`systemctl daemon-reload
systemctl unmask -q ${plan.units} 2>/dev/null || true
systemctl enable -q ${plan.units}
systemctl reset-failed ${plan.units} 2>/dev/null || true
systemctl start --no-block ${plan.units}
wait_healthy`,
  ]);
}

/** What units start: those of copies that a release no longer has would stay, as no release of now names them. */
export function launchersOf(upstreamPath: string, units: readonly string[]): string[] {
  const folder = upstreamPath.replace(/\/upstreams\/[^/]*$/, "/containers");
  return units.map((name) => `${folder}/${name.replace(/\.service$/, ".sh")}`);
}

/** Stops and removes everything of a service. */
export function removeReleaseScript(owned: {
  readonly units: readonly string[];
  readonly drain: string;
  readonly hook: string;
  readonly files: readonly string[];
  readonly records: string;
}): Script {
  const containers = [...owned.units.map((name) => name.replace(/\.service$/, "")), owned.hook];
  return sh`systemctl disable -q ${owned.units} 2>/dev/null || true
systemctl stop ${owned.drain} ${owned.units} 2>/dev/null || true
if command -v docker >/dev/null; then docker rm -f ${containers} >/dev/null 2>&1 || true; fi
for u in ${owned.units}; do rm -f "/etc/systemd/system/$u"; done
rm -f ${owned.files}
rm -rf ${owned.records}
rmdir ${owned.records.slice(0, owned.records.lastIndexOf("/"))} 2>/dev/null || true
systemctl daemon-reload
systemctl reset-failed ${owned.units} 2>/dev/null || true
for f in ${owned.files}; do rmdir -p --ignore-fail-on-non-empty "$(dirname "$f")" 2>/dev/null || true; done`;
}

/** The script's own patience ends first, and tidies up: one at a time there and, where one fails, back. */
export function waitForHealth(resource: ReleaseResource, plan: SlotPlan): Bound {
  const { graceSeconds, exchange } = resource;
  const replicas = exchange === undefined ? 0 : plan.units.length;
  return {
    seconds: graceSeconds + 300 + replicas * (2 * graceSeconds + drainSecondsOf(resource) + 60),
    waitsFor: `${plan.units.join(", ")} to become healthy`,
  };
}

/** For a step that begins with `awaitDrainScript`. */
export function waitForDrain(resource: ReleaseResource, { slot }: SlotPlan): Bound {
  return {
    seconds: drainSecondsOf(resource) + 600,
    waitsFor: `a former release to end what it has in slot ${slot}`,
  };
}

/** Images of the service that no release needs any more; nothing where none were built. */
export function pruneImages({ imageRepository }: ReleaseResource): Script {
  return imageRepository === undefined ? sh`` : pruneImagesScript(imageRepository);
}
