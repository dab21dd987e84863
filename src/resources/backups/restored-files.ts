import { readRestoreRecord, restoredFromPath } from "../../facts/backups/restored-from.ts";
import type { RestoreChoice } from "../../facts/backups/restored-from.ts";
import { need } from "../../facts/fact.ts";
import { textFacts } from "../../facts/files/file.ts";
import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { idOf } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";
import { patternOf, restoreFunctions } from "./restore-places.ts";
import { noteRestored } from "./restored-note.ts";

/** Files and volumes that are brought back before anything that uses them starts, where somebody asked for that. */
export interface RestoredFilesResource extends Resource {
  readonly kind: "restored-files";
  readonly stackDirectory: string;
  /** All that the manifest backs up. */
  readonly paths: readonly string[];
  /** The script that makes the backups, which also calls restic. */
  readonly program: string;
  readonly backupLock: string;
  /** Absent: nobody asks for it now. */
  readonly asked?: RestoreChoice;
  /** By a repository's name: what has to be known before it can be reached. */
  readonly ways: Readonly<Record<string, Script>>;
}

/** Builds it; its name is the stack's. */
export function restoredFiles(
  name: string,
  options: Omit<RestoredFilesResource, "kind" | "name">,
): RestoredFilesResource {
  return { kind: "restored-files", name, ...options };
}

export const restoredFilesKind: ResourceKind<RestoredFilesResource> = {
  kind: "restored-files",
  group: "backups",
  needs: ({ stackDirectory }) => [need(textFacts, restoredFromPath(stackDirectory))],

  diff(resource, facts): Change | undefined {
    const { stackDirectory, asked, ways, paths, program, backupLock } = resource;
    const record = readRestoreRecord(facts.get(textFacts, restoredFromPath(stackDirectory)));
    const choice = record ?? asked;
    const prepare = ways[choice?.repository ?? ""];
    if (choice?.files === undefined || record?.isDone.files === true || prepare === undefined)
      return undefined;
    const { snapshot, left } = choice.files;
    const { repository } = choice;
    const meant = paths.filter((path) => !left.includes(path));
    const from = `${snapshot.slice(0, 8)} of ${repository}`;
    return {
      id: idOf(resource),
      action: "run",
      because:
        record === undefined
          ? `they are to be brought back: ${from}`
          : `a restore was begun and did not come to its end: ${from}`,
      steps: [
        {
          type: "script",
          title: `bring back ${meant.join(", ") || "nothing"}`,
          bound: { seconds: 24 * 3600, waitsFor: `restic, which reads from ${repository}` },
          script: joinScripts([
            restoreFunctions,
            noteRestored,
            prepare,
            sh`restic() { ${program} restic ${repository} "$@"; }
snapshot=${snapshot}
hk_settle_restores
trap 'code=$?; hk_keep_restore "$here"; exit "$code"' EXIT
trap 'exit 143' TERM INT HUP
[ ! -e ${backupLock} ] || { exec 7<${backupLock}; flock -w 21600 7; }`,
            bringFunctions,
            ...meant.map((path, index) => sh`bring ${index + 1} ${path} ${patternOf(path)}`),
            sh`note_restored files`,
          ]),
        },
      ],
    };
  },

  own: () => undefined,
  remove: () => undefined,
};

/** restic restores numbers, and another machine may have given them to other users: names count. */
const bringFunctions = rawScript(`export RESTIC_PROGRESS_FPS=0.1
work=$PWD
sparse=
if restic restore --help 2>/dev/null | grep -q -e --sparse; then sparse=--sparse; fi
restic find --no-lock --json --snapshot "$snapshot" '*' |
  grep -oE '"uid":[0-9]+,"gid":[0-9]+(,"user":"[^"]*")?(,"group":"[^"]*")?' | tr -d '"' | sort -u >owners || :
# other_numbers DATABASE: of lines "OLD NAME" those whose name has another number here, as "OLD NEW"
other_numbers() {
  sort -u | while read -r old name; do
    new=$(getent "$1" "$name" | cut -d : -f 3) || :
    if [ -z "$new" ]; then echo "there is no $name here: what belongs to it belongs to the number $old" >&2
    elif [ "$new" != "$old" ]; then echo "$old $new"; fi
  done
}
sed -n 's/^uid:\\([0-9]*\\),.*,user:\\([^,]*\\).*/\\1 \\2/p' owners | other_numbers passwd >users
sed -n 's/.*gid:\\([0-9]*\\),.*group:\\(.*\\)/\\1 \\2/p' owners | other_numbers group >groups
# rename_owners FOLDER: all of a number is found before any of it is changed, since two may have changed places
rename_owners() {
  find "$1" -type f -perm /6000 -printf '%m\\0%p\\0' >"$work/modes"
  while read -r old new; do find "$1" -uid "$old" -print0 >"$work/of-user-$new"; done <"$work/users"
  while read -r old new; do find "$1" -gid "$old" -print0 >"$work/of-group-$new"; done <"$work/groups"
  for list in "$work"/of-*; do
    [ -e "$list" ] || continue
    case $list in
      *of-user-*) xargs -0 -r chown -h "\${list##*-}" -- <"$list" ;;
      *of-group-*) xargs -0 -r chgrp -h "\${list##*-}" -- <"$list" ;;
    esac
    rm -f "$list"
  done
  # chown takes these bits away.
  xargs -0 -r -n 2 chmod -- <"$work/modes"
}
# bring NUMBER PATH PATTERN
bring() {
  stage=$(hk_stage "$2" "$1")
  printf '%s\\n' "$2" >"$stage/to"
  mkdir "$stage/new"
  cd "$stage/new"
  restic restore "$snapshot" --target . --include "$3" --verify $sparse
  if [ ! -e ".$2" ] && [ ! -L ".$2" ]; then
    echo "the backup has no $2"
    cd "$work"
    hk_unstage "$here/$1"
    return 0
  fi
  mv -T -- ".$2" ../content
  cd ..
  rm -rf new
  rename_owners "$PWD/content"
  [ -n "$sparse" ] || hk_dig_holes content
  echo "$2: $(find content ! -type s -printf x | wc -c) names"
  cd "$work"
  hk_put_restored "$here/$1" over
  rmdir -- "$(readlink -f -- "$here/$1")/before" 2>/dev/null || :
}`);
