import type { Snapshot } from "../../facts/backups/snapshots.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { backupPlaces } from "../../stack/backups/jobs.ts";
import type { OperationStep } from "../operation.ts";
import { patternOf, restoreFunctions } from "../../resources/backups/restore-places.ts";

/** One thing that is brought back. */
export interface RestoreItem {
  /** Its path when it was backed up. */
  readonly path: string;
  /** Where it goes: the same, or below a folder that was asked for. */
  readonly to: string;
  /** What the snapshot has at and below it: names, and bytes of files. */
  readonly count: number;
  readonly bytes: number;
}

export interface RestorePlan {
  readonly stack: string;
  readonly repository: string;
  readonly snapshot: Pick<Snapshot, "id">;
  readonly items: readonly RestoreItem[];
  /** What stands there gives way, and is kept. */
  readonly isOver: boolean;
  /** Units of services that use it: stopped before, started after. */
  readonly units: readonly string[];
  /** Docker's name, where it is a volume. */
  readonly volume?: string;
}

/** True where a path is another one, or below it. */
export function isWithin(path: string, root: string): boolean {
  return path === root || path.startsWith(root === "/" ? "/" : `${root}/`);
}

/**
 * The newest snapshot of a time that may have all these paths.
 * @param snapshots the newest first
 * @param until milliseconds since the epoch; absent: now
 */
export function chooseSnapshot(
  snapshots: readonly Snapshot[],
  paths: readonly string[],
  until?: number,
): Snapshot | undefined {
  return snapshots.find(
    (snapshot) =>
      (until === undefined || snapshot.time <= until) &&
      paths.every((path) => snapshot.paths.some((root) => isWithin(path, root))),
  );
}

/** Brought back beside, compared with what the snapshot has, then put in place. */
export function planFileRestore(plan: RestorePlan): OperationStep[] {
  const { repository, snapshot, items, units } = plan;
  const what = items.map(({ path }) => path).join(", ");
  const around = units.length === 0 ? "" : `, with ${units.join(", ")} stopped meanwhile`;
  return [
    {
      id: `restore:${snapshot.id.slice(0, 8)}`,
      title: `restore ${what} from ${repository}, beside`,
      because: "asked for",
      bound: {
        seconds: 24 * 3600,
        waitsFor: `restic, which reads from the repository ${repository}`,
      },
      script: besideScript(plan),
    },
    {
      id: `restored:${snapshot.id.slice(0, 8)}`,
      title: `put ${what} in place${around}`,
      because: "asked for",
      bound: { seconds: 3600, waitsFor: "services that are stopped and started" },
      script: placeScript(plan),
    },
  ];
}

function besideScript({ stack, repository, snapshot, items }: RestorePlan): Script {
  const places = backupPlaces(stack);
  return joinScripts([
    restoreFunctions,
    sh`restic() { ${places.script("files")} restic ${repository} "$@"; }
hk_settle_restores
trap 'code=$?; [ "$code" = 0 ] || hk_keep_restore "$here"; exit "$code"' EXIT
trap 'exit 143' TERM INT HUP
# Neither is the snapshot forgotten meanwhile, nor is a backup refused by restic's own lock.
exec 7<${places.lock}
flock -n 7 || { echo "waiting for the backup that runs"; flock -w 21600 7; }
timeout -k 5 120 ${places.script("files")} restic ${repository} unlock || :
export RESTIC_PROGRESS_FPS=0.1
sparse=
if restic restore --help 2>/dev/null | grep -q -e --sparse; then sparse=--sparse; fi
# bring NUMBER PATH TO PATTERN COUNT BYTES
bring() {
  stage=$(hk_stage "$3" "$1")
  printf '%s\\n' "$3" >"$stage/to"
  mkdir "$stage/new"
  cd "$stage/new"
  restic restore ${snapshot.id} --target . --include "$4" $sparse
  if [ ! -e ".$2" ] && [ ! -L ".$2" ]; then echo "restic has brought nothing for $2" >&2; exit 1; fi
  mv -T -- ".$2" ../content
  cd ..
  rm -rf new
  [ -n "$sparse" ] || hk_dig_holes content
  count=$(find content ! -type s -printf x | wc -c)
  bytes=$(find content -type f -printf '%s\\n' | awk '{ sum += $1 } END { printf "%.0f", sum }')
  if [ "$count $bytes" != "$5 $6" ]; then
    echo "the snapshot has $5 names and $6 bytes, restored were $count names and $bytes bytes" >&2
    exit 1
  fi
  echo "$2: $count names, $bytes bytes"
}`,
    ...items.map(
      ({ path, to, count, bytes }, index) =>
        sh`bring ${index + 1} ${path} ${to} ${patternOf(path)} ${count} ${bytes}`,
    ),
  ]);
}

/**
 * Whatever happens, what was stopped is started again: after a kill by the next provision, since it is not disabled. A unit that
 * somebody stopped before stays so.
 */
function placeScript({ items, units, isOver, volume }: RestorePlan): Script {
  return joinScripts([
    restoreFunctions,
    sh`stopped=
over() {
  code=$?
  trap - EXIT TERM INT HUP
  hk_keep_restore "$here"
  if [ "$code" != 0 ]; then
    for old in "$here"/*/before; do [ ! -e "$old" ] || echo "what stood there before is in $old" >&2; done
  fi
  if [ -n "$stopped" ] && ! systemctl start -- $stopped; then
    for unit in $stopped; do
      systemctl is-active -q "$unit" || journalctl --no-pager -q -n 15 -o cat -u "$unit" >&2
    done
    code=1
  fi
  exit "$code"
}
trap over EXIT
trap 'exit 143' TERM INT HUP
for unit in ${units}; do
  [ "$(systemctl is-active "$unit" || :)" = inactive ] || stopped="$stopped $unit"
done
echo "$stopped" >"$here/stopped"
[ -z "$stopped" ] || systemctl stop -- $stopped`,
    volume === undefined
      ? sh``
      : sh`others=$(docker ps --filter ${`volume=${volume}`} --format ${"{{.Names}}"} | tr ${"\\n"} " ")
if [ -n "$others" ]; then echo "the volume is used by the container $others" >&2; exit 1; fi`,
    ...items.map((_, index) => sh`hk_put_restored "$here/"${index + 1} ${isOver ? "over" : "new"}`),
  ]);
}

/** Takes away what restores have kept. @param runs as `keptFacts` names them */
export function planDiscard(runs: readonly string[]): OperationStep[] {
  return runs.map((run) => ({
    id: `kept:${run}`,
    title: `remove what the restore ${run} kept`,
    because: "asked for",
    script: joinScripts([
      restoreFunctions,
      sh`old="$restores"/${run}
for item in "$old"/*; do [ ! -d "$item" ] || hk_unstage "$item"; done
rm -rf -- "$old"
rmdir -- "$restores" 2>/dev/null || :`,
    ]),
  }));
}
