import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { listHidden, prepareScript, runScript } from "./build.ts";
import type { BuildSource } from "./build-source.ts";

/** Of all stacks, on a host that builds for others. */
const folderOfAll = "/var/lib/hostkit-builds";

/** Seconds: as a build on the host that runs it. */
const longestSeconds = 4 * 3600;

/** One build on a host for others. */
export interface BuildElsewhere {
  readonly stack: string;
  /** Lower case letters and digits, another for each build. */
  readonly id: string;
  readonly source: BuildSource;
  /** The Dockerfile as that builder is to read it. */
  readonly text: string;
  /** Where it is another than the builder's own. */
  readonly platform?: string;
  /** The archive is packed on the way. */
  readonly isPacked: boolean;
}

/** Lines of stderr that say how the build went; what follows the first one is why. No line of BuildKit's log begins so. */
export const buildWords = {
  failed: "the build failed:",
  unsaved: "docker image save failed",
} as const;

function placesOf({ stack, id }: Pick<BuildElsewhere, "stack" | "id">) {
  const all = `${folderOfAll}/${stack}`;
  return {
    all,
    name: `work-${id}`,
    repository: `hostkit-build/${stack}`,
    unit: `hostkit-build-${stack}-${id}`,
  };
}

/**
 * Takes the build's own script from its standard input and starts it as a unit, so that all of it ends when one thing does. What a build
 * left that was killed without a word (its folder is not locked) goes before.
 * @param scriptBytes how much of the input is the script
 */
export function startElsewhere(
  build: Pick<BuildElsewhere, "stack" | "id">,
  scriptBytes: number,
): Script {
  const { all, name, repository, unit } = placesOf(build);
  return sh`set -eu
umask 077
mkdir -p ${all}
cd ${all}
exec 6>>lock
flock 6
for old in work-*/; do
  old=\${old%/}
  if [ ! -d "$old" ] || ! flock -n "$old" true; then continue; fi
  docker image rm ${repository}:"$old" >/dev/null 2>&1 || true
  rm -rf "$old"
done
mkdir ${name}
exec 8<${name}
flock -s 8
exec 6>&-
cd ${name}
head -c ${scriptBytes} >build.sh
exec systemd-run --quiet --collect --wait --pipe --unit=${unit} --property=RuntimeMaxSec=${longestSeconds} --property=TimeoutStopSec=60 --property=UMask=0077 --working-directory=${`${all}/${name}`} sh -eu build.sh`;
}

/**
 * The script of the build: context, then secrets up to a line with a dot, from its standard input, whose end before the build's is that
 * of whoever asked for it: then the build is ended. The image goes to standard output, and neither it nor the folder stays.
 */
export function elsewhereScript(build: BuildElsewhere): Script {
  const { source, text, platform, isPacked } = build;
  const { all, name, repository, unit } = placesOf(build);
  const tag = `${repository}:${name}`;
  const run = runScript(tag, source, platform);
  const isSecret = listHidden(source).length > 0;
  const save = sh`docker image save ${tag} || echo ${buildWords.unsaved} >&2`;
  return joinScripts([
    sh`exec 3>&1 1>&2 5<&0 8<.
flock -s 8
leave() {
  docker image rm ${tag} >/dev/null 2>&1 || true
  ! command -v at_end >/dev/null || at_end || true
  cd /
  rm -rf ${`${all}/${name}`}
}
trap leave EXIT
trap ${"exit 143"} TERM
export HOSTKIT_STACK_DIRECTORY=${all}
head -c ${source.context.size} >context.tar
[ "$(stat -c %s context.tar)" -eq ${source.context.size} ]
mkdir recipe
printf %s ${text} >recipe/${source.name}
hidden=$(while read -r line && [ "$line" != . ]; do printf ${"%s\\n"} "$line"; done)
( cat <&5 >/dev/null; systemctl stop --no-block ${unit} ) 3>&- &`,
    prepareScript(source),
    sh`trap leave EXIT
: >build.log
tail -n +1 -f build.log 2>/dev/null 3>&- </dev/null &
if ! ${isSecret ? sh`printf ${"%s\\n"} "$hidden" | (` : sh`(`}`,
    run,
    sh`) 3>&- >said; then
  echo ${buildWords.failed}
  cat said
  exit 1
fi`,
    isPacked ? sh`{ ${save}; } | gzip -1 >&3` : sh`{ ${save}; } >&3`,
  ]);
}
