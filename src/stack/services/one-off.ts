import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { writeDockerEnvironment, writeSystemdEnvironment } from "../../writers/environment.ts";
import type { Environment } from "../../writers/environment.ts";
import { systemdNames, systemdPath } from "../../writers/systemd.ts";
import { renderTemplate } from "../render-template.ts";

/** Where a one-off command runs. */
export type OneOffPlace =
  /** In the container of the release that serves. */
  | { readonly kind: "in-container"; readonly container: string }
  /** In a container of its own. */
  | {
      readonly kind: "container";
      readonly container: string;
      /** The script that starts one as the release is. */
      readonly launcher: string;
      readonly image: string;
      /** Without the image's entry point. */
      readonly isBare: boolean;
    }
  /** In a unit with the user, sandbox and environment of a native service. */
  | {
      readonly kind: "unit";
      readonly unit: string;
      readonly environmentFile: string;
      /** Beside the running service: in its /tmp. */
      readonly isBeside: boolean;
    };

/** One command that somebody starts beside a service: `exec` and `run`. */
export interface OneOff {
  /** As a run's. */
  readonly id: string;
  readonly stack: string;
  readonly stackDirectory: string;
  readonly place: OneOffPlace;
  /** Absent: a shell. */
  readonly words?: readonly string[];
  /** Given on top of the service's own; secret. */
  readonly environment: Environment;
  /** The kind of the terminal it runs on; absent: on pipes. */
  readonly terminal?: string;
}

/** Found in the environment of whatever such a command has started in a container. */
const marker = "HOSTKIT_ONE_OFF";
const folders = "/run/hostkit-one-off";

/** The best shell there is; the words end with `exec`, so that nothing stands between it and signals. */
const shellWords = [
  "sh",
  "-c",
  "if command -v bash >/dev/null 2>&1; then exec bash; fi; exec sh",
] as const;

/** The transient unit. */
export function oneOffUnitOf({ stack, id }: Pick<OneOff, "stack" | "id">): string {
  return `hostkit-one-off-${stack}-${id}.service`;
}

/** What is there only as long as it runs. */
export function oneOffFolderOf({ stack, id }: Pick<OneOff, "stack" | "id">): string {
  return `${folders}/${stack}-${id}`;
}

function dropInsOf(oneOff: Pick<OneOff, "stack" | "id">): string {
  return `/run/systemd/system/${oneOffUnitOf(oneOff)}.d`;
}

/** Where the records of a stack's one-off commands lie, a file each. */
export function oneOffRecordsOf(stackDirectory: string): string {
  return `${stackDirectory}/one-offs`;
}

/** The words that are run. */
export function wordsOf({ words }: Pick<OneOff, "words">): readonly string[] {
  return words ?? shellWords;
}

/**
 * The files that the unit reads, by name. Values of variables are in these and nowhere else.
 * @param templates of templates/host
 * @throws UnwritableError for a variable that the service cannot be given
 */
export function renderOneOffFiles(
  oneOff: OneOff,
  templates: ReadonlyMap<string, string>,
): Readonly<Record<string, string>> {
  const { place } = oneOff;
  const folder = oneOffFolderOf(oneOff);
  const asService = place.kind === "unit";
  return {
    ...(place.kind === "unit" ? unitFiles(oneOff) : containerFiles(oneOff, place)),
    end: `${renderEnd(oneOff).text}\n`,
    "drop-in": renderTemplate(templates, "run/systemd/system/one-off.conf.ejs", {
      folder: systemdPath(folder),
      asService,
      beside: place.kind === "unit" && place.isBeside ? systemdNames(place.unit) : undefined,
    }),
  };
}

function unitFiles(oneOff: OneOff): Record<string, string> {
  const { environment, terminal } = oneOff;
  const term: Environment = terminal === undefined ? {} : { TERM: terminal };
  return {
    words: `${sh`exec ${wordsOf(oneOff)}`.text}\n`,
    variables: writeSystemdEnvironment({ ...term, ...environment }),
  };
}

function containerFiles(
  oneOff: OneOff,
  place: Exclude<OneOffPlace, { kind: "unit" }>,
): Record<string, string> {
  const { environment, terminal, id } = oneOff;
  const folder = oneOffFolderOf(oneOff);
  const { file, exports, exported } = writeDockerEnvironment(environment);
  // Docker keeps a first key back until it sees the next: one that nobody misses.
  const keys = terminal === undefined ? [] : ["--detach-keys", "ctrl-@,ctrl-^,ctrl-@,ctrl-^"];
  const options = [
    "--interactive",
    ...(terminal === undefined ? [] : ["--tty", "--env", `TERM=${terminal}`]),
    ...["--env", `${marker}=${id}`],
    ...(file === "" ? [] : ["--env-file", `${folder}/variables`]),
    ...exported.flatMap((name) => ["--env", name]),
  ];
  const words = wordsOf(oneOff);
  const exec =
    place.kind === "in-container"
      ? sh`exec docker exec ${keys} ${options} "$(cat ${`${folder}/container`})" ${words}`
      : sh`exec sh ${place.launcher} ${place.container} ${keys} -- --init ${options}${place.isBare ? sh` --entrypoint ''` : sh``} -- ${words}`;
  return {
    words: `${joinScripts([exports === "" ? sh`` : sh`. ${`${folder}/exports`}`, exec]).text}\n`,
    ...(file === "" ? {} : { variables: file }),
    ...(exports === "" ? {} : { exports }),
  };
}

/**
 * Defines `pids`: whatever a command has started in a container, as the host counts. Docker itself has no word for it (moby 9098).
 * Names of programs, which could hold anything, are not among what is read.
 */
function pidsFunction(id: string): Script {
  return sh`pids() {
  marked=$(grep -lzxF ${`${marker}=${id}`} /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\\n' | tr '\\n' ' ')
  [ -n "$marked" ] || return 0
  grep -HE '^(PPid|NSsid):' /proc/[0-9]*/status 2>/dev/null | awk -F '[/:\\t ]+' -v marked="$marked" ${pidsProgram}
}`;
}

const pidsProgram = `BEGIN { n = split(marked, m, " "); for (i = 1; i <= n; i++) has[m[i]] = 1 }
$5 == "PPid" { parent[$3] = $6 }
$5 == "NSsid" { session[$3] = $6 }
END {
  for (p in has) if (session[p] > 1) sessions[session[p]] = 1
  for (p in session) if (session[p] in sessions) has[p] = 1
  do { more = 0; for (p in parent) if (!(p in has) && parent[p] in has) { has[p] = 1; more = 1 } } while (more)
  for (p in has) if (p > 1 && p in parent) print p
}`;

/** What is done when the command has ended, whatever ended it: what it left goes, and its record says how it was. */
function renderEnd(oneOff: OneOff): Script {
  const { id, stackDirectory, place } = oneOff;
  const folder = oneOffFolderOf(oneOff);
  const record = `${oneOffRecordsOf(stackDirectory)}/${id}.jsonl`;
  return joinScripts([
    sh`cd ${folder} || exit 0
case \${EXIT_CODE:-} in
  exited) code=$EXIT_STATUS ;;
  killed | dumped) code=$((128 + $(bash -c ${'kill -l "$1"'} bash "$EXIT_STATUS"))) ;;
  *) code=125 ;;
esac
left=`,
    cleanUp(oneOff),
    place.kind === "unit"
      ? sh`case $code in 2[0-4]?) journalctl -q -n 20 -o cat _PID=1 -u ${oneOffUnitOf(oneOff)} | grep '^.*Failed' >note || true ;; esac`
      : sh``,
    sh`rm -f words variables exports env
[ ! -e left ] || left=,${'"left":true'}
[ ! -e ${record} ] || { printf ${'{"ended":%s,"code":%s%s}\\n'} "$(date +%s)" "$code" "$left" >>${record} && sync ${record}; }
echo "$code" >code.new && mv code.new code
rm -rf ${dropInsOf(oneOff)}
if [ -e detached ] || [ -e left ]; then rm -rf ${folder}; fi`,
  ]);
}

function cleanUp({ id, place }: OneOff): Script {
  switch (place.kind) {
    case "unit":
      return sh``;
    case "container":
      return sh`docker rm -f ${place.container} >/dev/null 2>&1 || true`;
    default:
      return joinScripts([
        pidsFunction(id),
        rawScript(`rest=$(pids)
if [ -n "$rest" ]; then
  for signal in HUP TERM CONT; do kill -s "$signal" $rest 2>/dev/null || true; done
  over=$(($(date +%s) + 2))
  while rest=$(pids) && [ -n "$rest" ] && [ "$(date +%s)" -lt "$over" ]; do sleep 0.1; done
  for _ in 1 2; do [ -z "$rest" ] || kill -s KILL $rest 2>/dev/null || true; rest=$(pids); done
fi
container=$(cat container)
if [ "$(docker inspect --type container --format '{{.State.Running}}' "$container" 2>/dev/null)" != true ]; then
  [ "$code" = 0 ] || echo "hostkit: the container ended under the command: released anew, stopped or restarted" >note
# Docker has one status for what cannot be started and what is not there.
elif [ "$code" = 126 ] && docker exec "$container" sh -c 'if command -v -- "$1" >/dev/null; then exit 1; fi' sh "$(cat program)" >/dev/null 2>&1; then
  code=127
fi`),
      ]);
  }
}

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
for old in $(find ${folders} -mindepth 1 -maxdepth 1 -type d -mmin +10 2>/dev/null); do
  name=hostkit-one-off-\${old##*/}.service
  case $(systemctl show -p ActiveState --value "$name") in inactive | failed) rm -rf "$old" "/run/systemd/system/$name.d" ;; esac
done`,
    lookScript(oneOff),
    sh`mkdir -p ${folders} ${records} ${dropInsOf(oneOff)}
chmod 711 ${folders}
chmod 755 ${dropInsOf(oneOff)}
mkdir -m 711 ${folder}
cd ${folder}
while read -r name data; do printf %s "$data" | base64 -d >"$name"; done
{ cat record; printf ${'{"at":%s}\\n'} "$(date +%s)"; } >${record}
sync ${record}
ls -1 ${records} | head -n ${`-${keptRecords}`} | while IFS= read -r old; do
  [ -d ${`${folders}/${oneOff.stack}-`}"\${old%.jsonl}" ] || rm -f ${records}/"$old"
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

/** Ends a command that goes on; all that it has started goes with it. Ends with 3 where it does not run. */
export function stopScript(oneOff: Pick<OneOff, "stack" | "id">): Script {
  const unit = oneOffUnitOf(oneOff);
  return sh`systemctl is-active -q ${unit} || exit 3
systemctl stop ${unit}`;
}
