import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import {
  dropInsOf,
  oneOffFolderOf,
  oneOffFolders,
  oneOffRecordsOf,
  oneOffUnitOf,
} from "./one-off.ts";
import type { OneOff, OneOffPlace } from "./one-off.ts";

/** Answers of the script that prepares: why nothing was begun. */
export const refusals = ["not-there", "stopped", "no-shell", "no-launcher", "no-image"] as const;
export type Refusal = (typeof refusals)[number];

/** Older records are forgotten. */
const keptRecords = 100;

/**
 * Looks whether the command can run, writes its record and lays its files down; nothing of it runs then. The files come on standard
 * input, a line each: name and base64. Prints `ready` or a refusal.
 */
export function prepareScript(oneOff: OneOff): Script {
  const { id, stackDirectory, place } = oneOff;
  const folder = oneOffFolderOf(oneOff);
  const records = oneOffRecordsOf(stackDirectory);
  const record = `${records}/${id}.jsonl`;
  return joinScripts([
    sh`set -eu
umask 077
refuse() { echo "$1"; exit 0; }
# What a connection left that was lost between this and the start.
for old in $(find ${oneOffFolders} -mindepth 1 -maxdepth 1 -type d -mmin +10 2>/dev/null); do
  name=hostkit-one-off-\${old##*/}.service
  case $(systemctl show -p ActiveState --value "$name") in inactive | failed) rm -rf "$old" "/run/systemd/system/$name.d" ;; esac
done`,
    lookScript(oneOff),
    sh`mkdir -p ${oneOffFolders} ${records} ${dropInsOf(oneOff)}
chmod 711 ${oneOffFolders}
chmod 755 ${dropInsOf(oneOff)}
mkdir -m 711 ${folder}
cd ${folder}
while read -r name data; do printf %s "$data" | base64 -d >"$name"; done
{ cat record; printf ${'{"at":%s}\\n'} "$(date +%s)"; } >${record}
sync ${record}
ls -1 ${records} | head -n ${`-${keptRecords}`} | while IFS= read -r old; do
  [ -d ${`${oneOffFolders}/${oneOff.stack}-`}"\${old%.jsonl}" ] || rm -f ${records}/"$old"
done
mv drop-in ${dropInsOf(oneOff)}/zz-hostkit.conf
chmod 644 ${dropInsOf(oneOff)}/zz-hostkit.conf`,
    place.kind === "unit" ? copyUnit(oneOff, place) : sh``,
    place.kind === "in-container" ? sh`echo "$container" >container` : sh``,
    sh`echo ready`,
  ]);
}

function lookScript({ place, words }: OneOff): Script {
  switch (place.kind) {
    case "unit":
      return joinScripts([
        sh`[ "$(systemctl show -p LoadState --value ${place.unit})" = loaded ] || refuse not-there`,
        place.isBeside ? sh`systemctl is-active -q ${place.unit} || refuse stopped` : sh``,
      ]);
    case "in-container":
      return joinScripts([
        sh`container=$(timeout 30 docker inspect --type container --format ${"{{if .State.Running}}{{.Id}}{{end}}"} ${place.container} 2>/dev/null) || container=
[ -n "$container" ] || refuse stopped`,
        words === undefined
          ? sh`timeout 30 docker exec "$container" sh -c : </dev/null >/dev/null 2>&1 || refuse no-shell`
          : sh``,
      ]);
    default:
      return joinScripts([
        sh`[ -e ${place.launcher} ] || refuse no-launcher
timeout 30 docker image inspect ${place.image} >/dev/null 2>&1 || refuse no-image`,
        words === undefined
          ? sh`timeout 60 docker run --rm --pull never --network none --read-only --cap-drop ALL --log-driver none --entrypoint sh ${place.image} -c : </dev/null >/dev/null 2>&1 || refuse no-shell`
          : sh``,
      ]);
  }
}

/** Keys of a service that are about its start and its life, not about what it may do and sees. */
const dropped = [
  ...["ExecStart", "ExecStartPre", "ExecStartPost", "ExecCondition", "ExecReload", "ExecStop"],
  ...["ExecStopPost", "Type", "Restart[A-Za-z]*", "SuccessExitStatus", "Watchdog[A-Za-z]*"],
  ...["NotifyAccess", "PIDFile", "BusName", "GuessMainPID", "RemainAfterExit", "Sockets"],
  ...["FileDescriptorStore[A-Za-z]*", "RootDirectoryStartOnly", "NonBlocking", "ExitType"],
  ...["Timeout[A-Za-z]*", "RuntimeMaxSec", "RuntimeRandomizedExtraSec", "KillMode"],
  ...["[A-Za-z]*KillSignal", "SendSIG[A-Z]*", "OOMPolicy", "Standard[A-Za-z]*", "TTY[A-Za-z]*"],
  ...["SyslogIdentifier", "USBFunction[A-Za-z]*", "PAMName"],
];

/** Takes the section [Service] of a unit file without those keys. */
const copyProgram = `more { if (!skip) print; more = /\\\\$/; next }
/^[ \\t]*[#;]/ || /^[ \\t]*$/ { next }
/^\\[/ { on = /^\\[Service\\]/; if (on) print; next }
{ skip = !on || $0 ~ /^[ \\t]*(${dropped.join("|")})[ \\t]*=/; more = /\\\\$/; if (!skip) print }`;

/**
 * The service's own unit as it is on the host, drop-ins included, becomes that of the command. Credentials lie in a folder named after the
 * unit, so that variables which name it are written anew.
 */
function copyUnit(
  oneOff: OneOff,
  { unit, environmentFile }: Extract<OneOffPlace, { kind: "unit" }>,
): Script {
  const places = (of: string): string => `/run/credentials/${of.replaceAll(".", "[.]")}/`;
  const rewrite = `s#${places(unit)}#/run/credentials/${oneOffUnitOf(oneOff)}/#g`;
  return sh`n=100
for part in $(systemctl show -p FragmentPath --value ${unit}) $(systemctl show -p DropInPaths --value ${unit}); do
  n=$((n + 1))
  awk ${copyProgram} "$part" >${dropInsOf(oneOff)}/"$n".conf
  chmod 644 ${dropInsOf(oneOff)}/"$n".conf
done
{ [ ! -e ${environmentFile} ] || sed ${rewrite} ${environmentFile}; cat variables; } >env
user=$(systemctl show -p User --value ${unit})
chmod 400 words
chown "\${user:-root}" words`;
}
