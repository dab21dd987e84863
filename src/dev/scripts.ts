import { joinScripts, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";

/*
 * Sources of a service S in the folder of all: `S` is what runs, or is to run; `S.former` what ran before, `S.next` what
 * comes in. They are exchanged by renaming: what runs has files and folders mounted, and keeps those it was started with.
 * `S.waits` is there from the exchange until the service was started with it.
 */

/** How the scripts end, besides 0. */
export const endings = {
  /** It does not come up; what it had before is back and serves. */
  putBack: 3,
  /** It does not come up, and with what it had before neither. */
  down: 4,
  /** What runs is no release of this session. */
  moved: 5,
} as const;

/** What of a service stands on the host. */
export interface Place {
  readonly units: readonly string[];
  /** The file that says which release has the traffic, and its first line. */
  readonly markPath: string;
  readonly markLine: string;
}

/** Says `same` or `new`: all files of a service, from a tar on standard input. */
export function stageScript(folder: string, service: string): Script {
  return sh`set -eu
umask 022
mkdir -p ${folder}
cd ${folder}
rm -rf ${`${service}.next`}
mkdir ${`${service}.next`}
tar -x --no-same-owner -C ${`${service}.next`} -f -
if [ ! -e ${`${service}.waits`} ] && diff -rq ${`${service}.next`} ${service} >/dev/null 2>&1; then
  rm -rf ${`${service}.next`}
  echo same
else
  ${exchange(service)}
  echo new
fi`;
}

/** Changes files of a service: those of a tar on standard input come, `removed` go; then it is started again. */
export function changeScript(
  folder: string,
  service: string,
  removed: readonly string[],
  place: Place,
  graceSeconds: number,
): Script {
  const gone = removed.map((entry) => `${service}.next/${entry}`);
  return joinScripts([
    sh`set -eu
umask 022
[ "$(head -n 1 ${place.markPath} 2>/dev/null)" = ${place.markLine} ] || exit ${endings.moved}
cd ${folder}
rm -rf ${`${service}.next`}
cp -al ${service} ${`${service}.next`}`,
    gone.length === 0 ? sh`` : sh`rm -rf -- ${gone}`,
    // A file that is linked is not written to but replaced.
    sh`tar -x --no-same-owner --unlink-first --recursive-unlink -C ${`${service}.next`} -f -`,
    exchange(service),
    startAgainScript(folder, service, place.units, graceSeconds),
  ]);
}

/** The new files become those of the service. */
function exchange(service: string): Script {
  return sh`rm -rf ${`${service}.former`}
: >${`${service}.waits`}
if [ -e ${service} ]; then mv ${service} ${`${service}.former`}; fi
mv ${`${service}.next`} ${service}`;
}

/** A run that should have started services with new files failed: what they have is put back. */
export function putBackScript(folder: string, services: readonly string[]): Script {
  return joinScripts([sh`cd ${folder}`, ...services.map(putBack)]);
}

function putBack(service: string): Script {
  return sh`if [ -e ${`${service}.former`} ]; then
  mv ${service} ${`${service}.next`}
  mv ${`${service}.former`} ${service}
  rm -rf ${`${service}.next`} ${`${service}.waits`}
fi`;
}

/** A run has started these with their new files. */
export function settleScript(folder: string, services: readonly string[]): Script {
  return sh`cd ${folder} && rm -f ${services.map((service) => `${service}.waits`)}`;
}

/**
 * Ends the units' containers quickly (a second to end by themselves, as nobody's requests are lost here), starts them
 * again and waits until they are healthy. One that ends again at once is reported at once, not after its patience; then
 * the former files are put back and started.
 */
export function startAgainScript(
  folder: string,
  service: string,
  units: readonly string[],
  graceSeconds: number,
): Script {
  const containers = units.map((unit) => unit.replace(/\.service$/, ""));
  return sh`cd ${folder}
start_again() {
  began=$(date +%s)
  systemctl stop --no-block ${units}
  docker stop -t 1 ${containers} >/dev/null 2>&1 || true
  systemctl stop ${units}
  systemctl reset-failed ${units} 2>/dev/null || true
  systemctl start --no-block ${units}
  deadline=$((began + ${graceSeconds}))
  for unit in ${units}; do
    while :; do
      case $(systemctl show -p ActiveState -p SubState -p NRestarts "$unit") in
        *ActiveState=active*) break ;;
        *SubState=auto-restart*|*ActiveState=failed*) return 1 ;;
        *NRestarts=0*) ;;
        *) return 1 ;;
      esac
      if [ "$(date +%s)" -ge "$deadline" ]; then
        echo ${`not healthy after ${graceSeconds} s`} >&2
        return 1
      fi
      sleep 0.05
    done
  done
}
if ! start_again; then
  journalctl --sync 2>/dev/null || true
  # Its own lines, without what systemd says of it.
  journalctl -q _SYSTEMD_UNIT="$unit" --since "@$began" -n 40 --no-pager -o cat >&2 || true
  ${putBack(service)}
  if start_again; then exit ${endings.putBack}; else exit ${endings.down}; fi
fi
rm -f ${`${service}.waits`}`;
}
