import { rawScript } from "../../shell/script.ts";

/** restic takes what is to be restored for a pattern (Go's filepath.Match): this one fits the path alone. */
export function patternOf(path: string): string {
  return path.replaceAll(/[\\*?[\]]/g, String.raw`\$&`);
}

/**
 * How a restore of files is laid out on the host. In the stack's folder, restores/RUN has a folder for each thing that is restored, by
 * number; where that thing is on another file system, a link to one of root's over there, so that a rename is all that is left to do:
 *   to        where it goes
 *   new       what restic fills; `content`: the restored thing, taken out of it
 *   inode     written before it is put in place: the inode that stands there, or "none"
 *   before    what stood there
 * From `inode` and what stands in `content` the next restore sees what a run that was cut short has done.
 */
export const restoreFunctions = rawScript(`umask 077
restores=$HOSTKIT_STACK_DIRECTORY/restores
here=$restores/\${HOSTKIT_RUN##*/}

# hk_stage PATH NUMBER: makes the folder for what goes to PATH, and prints it
hk_stage() (
  goal=\${1%/*}
  while [ -n "$goal" ] && [ ! -d "$goal" ]; do goal=\${goal%/*}; done
  cd -P -- "$goal/" || exit 1
  mount=$(stat -c %m .) stage=$here/$2
  mkdir -p -- "$here" || exit 1
  if [ "$mount" = "$(stat -c %m -- "$here")" ]; then
    mkdir -- "$stage" && echo "$stage"
    exit
  fi
  at=$mount
  set -- "$1" "$2" /
  while [ -n "\${at%/}" ]; do set -- "$@" "$at"; at=\${at%/*}; done
  path=$1 number=$2
  shift 2
  hk_all_safe "$@" || { echo "$path is on a file system whose root ($mount) others than root can change: nothing can be laid down there unseen" >&2; exit 1; }
  beside=\${mount%/}/.hostkit-restores
  mkdir -p -- "$beside" && hk_all_safe "$beside" || { echo "$beside is not root's alone" >&2; exit 1; }
  beside=$beside/\${HOSTKIT_RUN##*/}-$number
  mkdir -- "$beside" && ln -s -- "$beside" "$stage" && echo "$beside"
)

# hk_unstage ITEM: with all that is in it
hk_unstage() {
  hk_item=$(readlink -f -- "$1")
  rm -rf -- "$hk_item"
  rm -f -- "$1"
  case $hk_item in */.hostkit-restores/*) rmdir -- "\${hk_item%/*}" 2>/dev/null || : ;; esac
}

# hk_settle_item ITEM: true where it was put in place (what stood there is in "before" then); else all is as if it had not begun
hk_settle_item() (
  item=$(readlink -f -- "$1") || exit 1
  [ -e "$item/inode" ] || exit 1
  IFS= read -r path <"$item/to" && read -r inode <"$item/inode" || exit 1
  is_there() { [ -e "$1" ] || [ -L "$1" ]; }
  # Moved aside, and the new one not yet in its place.
  if is_there "$item/before" && is_there "$item/content"; then
    (hk_enter "\${path%/*}/" make && ! is_there "./\${path##*/}" && mv -T -- "$item/before" "./\${path##*/}") || exit 0
    exit 1
  fi
  if ! is_there "$item/content"; then exit 0; fi
  [ "$(stat -c %i -- "$item/content")" = "$inode" ] && mv -T -- "$item/content" "$item/before"
)

# hk_settle_restores: what earlier restores began and did not end. Where nothing was put in place, nothing stays of them.
hk_settle_restores() {
  for hk_restore in "$restores"/*/; do
    [ -d "$hk_restore" ] && [ ! -e "$hk_restore/done" ] && [ "$hk_restore" != "$here/" ] || continue
    hk_keep_restore "$hk_restore"
  done
}

# hk_keep_restore FOLDER: of what is put in place stays what stood there before, of all else nothing
hk_keep_restore() {
  [ -d "$1" ] || return 0
  for hk_one in "$1"/*; do
    [ -d "$hk_one" ] || continue
    if hk_settle_item "$hk_one" && { [ -e "$hk_one/before" ] || [ -L "$hk_one/before" ]; }; then
      rm -rf -- "$hk_one/new"
    else
      hk_unstage "$hk_one"
    fi
  done
  : >"$1/done"
  rm -f -- "$1/stopped"
  # Nothing stood there.
  if [ -z "$(find "$1" -mindepth 1 -maxdepth 1 ! -name done)" ]; then rm -rf -- "$1"; fi
  rmdir -- "$restores" 2>/dev/null || :
}

# hk_put_restored ITEM: what was restored takes its place; what stands there is in "before" then
hk_put_restored() (
  item=$(readlink -f -- "$1") && IFS= read -r path <"$item/to" || exit 1
  hk_enter "\${path%/*}/" make || exit 1
  name=./\${path##*/}
  if [ ! -e "$name" ] && [ ! -L "$name" ]; then
    echo none >"$item/inode" && sync "$item/inode" && mv -T -- "$item/content" "$name"
    exit
  fi
  [ "$2" = over ] || { echo "$path is there already" >&2; exit 1; }
  stat -c %i -- "$name" >"$item/inode" && sync "$item/inode" || exit 1
  # Where the file system cannot: one after the other.
  if hk_exchange "$item/content" "$name" 2>/dev/null; then
    mv -T -- "$item/content" "$item/before"
  else
    mv -T -- "$name" "$item/before" && mv -T -- "$item/content" "$name"
  fi
)

# hk_dig_holes FOLDER: what is nothing but zeros takes no room; times stay
hk_dig_holes() {
  find "$1" -type f -size +63k -exec sh -c 'as=$0; for f; do touch -r "$f" "$as" && fallocate --dig-holes "$f"; touch -r "$as" "$f"; done' "$PWD/as" {} + 2>/dev/null
  rm -f as
}
`);
