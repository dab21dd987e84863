import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import {
  dropInsOf,
  oneOffFolderOf,
  oneOffRecordsOf,
  oneOffUnitOf,
  pidsFunction,
} from "./one-off.ts";
import type { OneOff } from "./one-off.ts";

const drops = (oneOff: OneOff): Script => sh`rm -rf ${oneOffFolderOf(oneOff)} ${dropInsOf(oneOff)}`;

/** Starts the command on the descriptors of the shell, and ends with its status; 125: it did not begin. */
export function startScript(oneOff: OneOff): Script {
  const unit = oneOffUnitOf(oneOff);
  const folder = oneOffFolderOf(oneOff);
  const joined = oneOff.terminal === undefined ? "--pipe" : "--pty";
  return sh`cd /
# Nothing of its own on the terminal; the command is told which one it has by other ways.
TERM=dumb systemd-run --quiet --collect --wait ${joined} --unit=${unit} --description=${`hostkit: one-off command ${oneOff.id}`} true
if [ ! -e ${`${folder}/code`} ]; then systemctl stop ${unit} >/dev/null 2>&1; fi
code=$(cat ${`${folder}/code`} 2>/dev/null) || code=125
cat ${`${folder}/note`} >&2 2>/dev/null
${drops(oneOff)}
exit "$code"`;
}

/** Starts the command; it goes on by itself, and what it prints goes to the journal. */
export function startDetachedScript(oneOff: OneOff): Script {
  return sh`cd ${oneOffFolderOf(oneOff)} && : >detached && systemd-run --quiet --collect --unit=${oneOffUnitOf(oneOff)} --description=${`hostkit: one-off command ${oneOff.id}`} true`;
}

/**
 * Says `watching`, then reads signs of life; when they cease before the command has ended, ends it. It is a unit of its own, since
 * what belongs to a login may be ended with it.
 * @param seconds without a sign
 */
export function watchScript(oneOff: OneOff, seconds: number): Script {
  const unit = oneOffUnitOf(oneOff);
  const folder = oneOffFolderOf(oneOff);
  const watch = sh`echo watching
while IFS= read -r -t ${seconds} _; do :; done
[ -d ${folder} ] && [ ! -e ${`${folder}/code`} ] || exit 0
: >${`${folder}/left`}
for _ in 1 2 3 4 5 6 7 8 9 10; do
  systemctl stop ${unit} >/dev/null 2>&1
  [ -d ${folder} ] && [ ! -e ${`${folder}/code`} ] || break
  sleep 1
done
${drops(oneOff)}`;
  const watcher = unit.replace(/\.service$/, "-watch.service");
  return sh`exec systemd-run --quiet --collect --pipe --unit=${watcher} bash -c ${watch.text}`;
}

/** Sends a signal to all that the command has started, as a terminal would. */
export function signalScript(oneOff: OneOff, signal: "INT"): Script {
  return oneOff.place.kind === "in-container"
    ? joinScripts([pidsFunction(oneOff.id), sh`kill -s ${signal} $(pids)`])
    : sh`systemctl kill -s ${signal} ${oneOffUnitOf(oneOff)}`;
}

/**
 * Prints what a command has printed so far and goes on until it has ended; ends with 0 then, with 3 where there is no such command.
 * What the journal has is asked for piece by piece, so that nothing between the last piece and the end is lost.
 */
export function followScript(oneOff: Pick<OneOff, "stack" | "stackDirectory" | "id">): Script {
  const unit = oneOffUnitOf(oneOff);
  const record = `${oneOffRecordsOf(oneOff.stackDirectory)}/${oneOff.id}.jsonl`;
  return sh`[ -e ${record} ] || exit 3
cursor=$(mktemp) || exit 1
trap 'rm -f "$cursor"' EXIT
trap 'exit 1' HUP PIPE TERM
show() { journalctl --no-pager -q -a -o cat --cursor-file="$cursor" _SYSTEMD_UNIT=${unit} || exit 1; }
while ! grep -q ${'^{"ended":'} ${record} && [ "$(systemctl show -p ActiveState --value ${unit})" != inactive ]; do show; sleep 0.5; done
journalctl --sync
show`;
}

/** How `stopScript` ends where there is nothing to end. */
export const notRunning = 3;

/** Ends a command that goes on; all that it has started goes with it. */
export function stopScript(oneOff: Pick<OneOff, "stack" | "id">): Script {
  const unit = oneOffUnitOf(oneOff);
  return sh`systemctl is-active -q ${unit} || exit ${notRunning}
systemctl stop ${unit}`;
}
