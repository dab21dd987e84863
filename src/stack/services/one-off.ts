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
/** A folder each. */
export const oneOffFolders = "/run/hostkit-one-off";

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
  return `${oneOffFolders}/${stack}-${id}`;
}

/** Drop-ins of its unit: all that the unit is. */
export function dropInsOf(oneOff: Pick<OneOff, "stack" | "id">): string {
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
export function pidsFunction(id: string): Script {
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
