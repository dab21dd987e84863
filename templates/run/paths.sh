# Root follows no one: how the scripts of a run write, read and remove, wherever somebody else could plant a link or a name.
#
# A name is *safe* when only root can change it: its folder belongs to root, and nobody else may write there (or the folder is sticky and
# the thing is root's). A path is walked from / one name at a time: the working directory is what was looked at, and what happens in
# it happens by `./NAME`, so that nothing walks the path a second time. Links at safe names are root's own and are followed; others
# end the step. In a folder of somebody else a file is made under a name that nobody can guess, written by descriptor and renamed.
#
# POSIX sh and coreutils only. Every function but the first group runs in a subshell: the caller's working directory stays.

# --- the walk: these change the working directory ---

# hk_look: what others can do in the working directory: hk_safe yes|no, hk_sticky yes|no, hk_owner UID
hk_look() {
  hk_seen=$(stat -c '%u %g %a' .) || exit 1
  hk_owner=${hk_seen%% *} hk_safe=yes hk_sticky=no
  hk_mode=${hk_seen##* } hk_seen=${hk_seen#* }
  [ "$hk_owner" = 0 ] || hk_safe=no
  case $hk_mode in *[2367]) hk_safe=no ;; *[2367]?) [ "${hk_seen%% *}" = 0 ] || hk_safe=no ;; esac
  case $hk_mode in [1357]???) hk_sticky=yes ;; esac
}

# hk_is_safe UID: whether a thing of that user, in the working directory, is at a safe name
hk_is_safe() {
  [ "$hk_safe" = yes ] || { [ "$hk_sticky$hk_owner$1" = yes00 ]; }
}

# hk_name_owner: sets hk_who to who besides root can change names in the working directory
hk_name_owner() {
  if [ "$hk_owner" != 0 ]; then
    hk_who="user $(id -nu "$hk_owner" 2>/dev/null || echo "$hk_owner")"
  else
    hk_who=$(stat -c 'others than root (its folder has mode %a and group %G)' .)
  fi
}

# hk_refuse_link NAME, hk_refuse_file NAME: end the subshell with the words for it
hk_refuse_link() {
  hk_name_owner
  echo "$(pwd -P)/$1 is a link that $hk_who can change; hostkit does not follow it" >&2
  exit 1
}
hk_refuse_file() {
  hk_name_owner
  echo "$(pwd -P)/$1 is no plain file with one name, in a folder that $hk_who can change; hostkit does not touch it" >&2
  exit 1
}

# hk_all_safe PATH…: whether each is a folder of root where nobody else can write; one look at all of them
hk_all_safe() {
  hk_seen=$(stat -c '%u %g %a %F' -- "$@" 2>/dev/null) || return 1
  while read -r hk_uid hk_gid hk_mode hk_type; do
    [ "$hk_uid$hk_type" = 0directory ] || return 1
    case $hk_mode in *[2367]) return 1 ;; *[2367]?) [ "$hk_gid" = 0 ] || return 1 ;; esac
  done <<END
$hk_seen
END
}

# hk_enter FOLDER [make]: goes there; 2 where it is not there. With `make` it is made (0755), and remembered, so that uninstall can
# take it away when it is empty.
hk_enter() {
  hk_left=$1 hk_at=
  set -- "$1" "${2:-}" /
  while [ -n "$hk_left" ]; do
    case $hk_left in
      /*) hk_left=${hk_left#/}; continue ;;
      */*) hk_at=$hk_at/${hk_left%%/*} hk_left=${hk_left#*/} ;;
      *) hk_at=$hk_at/$hk_left hk_left= ;;
    esac
    set -- "$@" "$hk_at"
  done
  hk_folder=$1 hk_make=$2
  shift 2
  if hk_all_safe "$@"; then
    cd -P -- "$hk_folder" || exit 1
    hk_safe=yes hk_sticky=no hk_owner=0
  else
    hk_walk "$hk_folder" "$hk_make"
  fi
}

hk_walk() {
  hk_left=$1 hk_links=0
  cd / && hk_look || exit 1
  while [ -n "$hk_left" ]; do
    hk_part=${hk_left%%/*}
    case $hk_left in */*) hk_left=${hk_left#*/} ;; *) hk_left= ;; esac
    case $hk_part in
      '' | .) continue ;;
      ..) cd -P .. && hk_look || exit 1; continue ;;
    esac
    if ! hk_seen=$(stat -c '%u %d:%i %F' -- "./$hk_part" 2>/dev/null); then
      [ "$2" = make ] || return 2
      (umask 077; echo "$(pwd -P)/$hk_part" | tr -s / >>"$HOSTKIT_STACK_DIRECTORY/directories"; sync "$HOSTKIT_STACK_DIRECTORY/directories")
      # A change beside this one may make it at the same moment; what stands there then is looked at like anything else.
      (umask 022; mkdir -- "./$hk_part" 2>/dev/null) || [ -d "./$hk_part" ] || (umask 022; mkdir -- "./$hk_part") || exit 1
      hk_seen=$(stat -c '%u %d:%i %F' -- "./$hk_part") || exit 1
    fi
    hk_uid=${hk_seen%% *} hk_type=${hk_seen#* * }
    case $hk_type in
      directory)
        cd -P -- "./$hk_part" || exit 1
        [ "$hk_uid $(stat -c '%d:%i' .) directory" = "$hk_seen" ] || {
          echo "$1: $hk_part was changed while hostkit looked at it" >&2
          exit 1
        }
        hk_look
        ;;
      'symbolic link')
        hk_is_safe "$hk_uid" || hk_refuse_link "$hk_part"
        hk_links=$((hk_links + 1))
        [ "$hk_links" -le 40 ] || { echo "$1: too many links" >&2; exit 1; }
        hk_target=$(readlink -- "./$hk_part") || exit 1
        case $hk_target in /*) cd / && hk_look || exit 1 ;; esac
        hk_left=$hk_target/$hk_left
        ;;
      *)
        [ "$2" = make ] || return 2
        echo "$(pwd -P)/$hk_part is a $hk_type, no folder" >&2
        exit 1
        ;;
    esac
  done
}

# hk_reach PATH: goes into the folder of a file, over root's own links to it too, and sets hk_name; 2 where it is not there
hk_reach() {
  hk_goal=$1 hk_hops=0
  while :; do
    hk_enter "${hk_goal%/*}/" || return 2
    hk_name=${hk_goal##*/}
    hk_seen=$(stat -c '%u %F' -- "./$hk_name" 2>/dev/null) || return 2
    [ "${hk_seen#* }" = 'symbolic link' ] || return 0
    hk_is_safe "${hk_seen%% *}" || hk_refuse_link "$hk_name"
    hk_hops=$((hk_hops + 1))
    [ "$hk_hops" -le 40 ] || { echo "$1: too many links" >&2; exit 1; }
    hk_target=$(readlink -- "./$hk_name") || exit 1
    case $hk_target in /*) hk_goal=$hk_target ;; *) hk_goal=$(pwd -P)/$hk_target ;; esac
  done
}

# hk_clear_new NAME: removes what a write of NAME that was cut short has left in the working directory
hk_clear_new() {
  if [ "$hk_safe" = no ]; then rm -rf -- ./."$1".hostkit-??????????
  elif [ -e "./$1.hostkit-new" ] || [ -L "./$1.hostkit-new" ]; then rm -rf -- "./$1.hostkit-new"; fi
}

# hk_new NAME: sets hk_new to the name under which NAME is made in the working directory
hk_new() {
  hk_clear_new "$1"
  if [ "$hk_safe" = yes ]; then hk_new=$1.hostkit-new; else hk_new=.$1.hostkit-$(mktemp -u XXXXXXXXXX) || exit 1; fi
}

# hk_place NAME MODE OWNER: what descriptor 3 gives becomes that file in the working directory
hk_place() {
  hk_new "$1"
  if [ "$hk_safe" = yes ]; then
    install -m "$2" -o "${3%:*}" -g "${3#*:}" -- /proc/self/fd/3 "./$hk_new" && mv -f -T -- "./$hk_new" "./$1" || exit 1
    return
  fi
  umask 077
  set -C
  exec 4>"./$hk_new"
  set +C
  { cat <&3 >&4 && chown -- "$3" /proc/self/fd/4 && chmod -- "$2" /proc/self/fd/4 && mv -f -T -- "./$hk_new" "./$1"; } || {
    rm -f -- "./$hk_new"
    exit 1
  }
}

# --- what scripts call ---

# hk_put SOURCE PATH MODE OWNER GROUP: PATH becomes that file, whole or not at all; a link that stands there is replaced
hk_put() (
  exec 3<"$1" || exit 1
  hk_enter "${2%/*}/" make || exit 1
  hk_place "${2##*/}" "$3" "$4:$5"
)

# hk_rewrite SOURCE PATH: new content for a file of somebody else: its owner and mode stay, and root's own links to it
hk_rewrite() (
  exec 3<"$1" || exit 1
  hk_reach "$2" || {
    hk_enter "${2%/*}/" make || exit 1
    hk_place "${2##*/}" 0644 "$(stat -c %u:%g .)"
    exit
  }
  if [ "$hk_safe" = yes ]; then
    # All that cp knows to keep.
    hk_new "$hk_name"
    cp -a -- "./$hk_name" "./$hk_new" && cat <&3 >"./$hk_new" && mv -f -T -- "./$hk_new" "./$hk_name" || exit 1
    exit
  fi
  hk_seen=$(stat -c '%h %f %a %u:%g' -- "./$hk_name") || exit 1
  case $hk_seen in '1 8'*) ;; *) hk_refuse_file "$hk_name" ;; esac
  hk_seen=${hk_seen#* * }
  hk_place "$hk_name" "${hk_seen% *}" "${hk_seen#* }"
)

# hk_read PATH: prints a file; 2 where it is not there
hk_read() (
  hk_reach "$1" || exit 2
  [ "$hk_safe" = no ] || exec cat -- "./$hk_name"
  hk_seen=$(stat -c '%h %f %d:%i' -- "./$hk_name") || exit 2
  case $hk_seen in '1 8'*) ;; *) hk_refuse_file "$hk_name" ;; esac
  exec 3<"./$hk_name" || exit 1
  [ "$(stat -L -c '%h %f %d:%i' /proc/self/fd/3)" = "$hk_seen" ] || hk_refuse_file "$hk_name"
  exec cat <&3
)

# hk_folder PATH MODE OWNER GROUP [deep]: a folder, with all in it where `deep` is said
hk_folder() (
  hk_enter "$1" make || exit 1
  if [ "${5:-}" = deep ]; then
    # A link is never followed; another name of root's file can only be there where the kernel lets anybody make one.
    if [ "$(cat /proc/sys/fs/protected_hardlinks 2>/dev/null)" = 1 ]; then
      chown -h -R -- "$3:$4" . || exit 1
    else
      find . -xdev '(' -type d -o -links 1 ')' -execdir chown -h -- "$3:$4" {} + || exit 1
    fi
  fi
  chown -- "$3:$4" . && chmod -- "$2" .
)

# hk_remove PATH…: files and links, by their names
hk_remove() (
  for hk_path; do
    (hk_enter "${hk_path%/*}/" || exit 0; hk_clear_new "${hk_path##*/}"; rm -f -- "./${hk_path##*/}") || exit 1
  done
)

# hk_remove_tree PATH…: with all that is in it
hk_remove_tree() (
  for hk_path; do
    (hk_enter "${hk_path%/*}/" || exit 0; rm -rf -- "./${hk_path##*/}") || exit 1
  done
)

# hk_remove_folder PATH: if it is empty; says nothing
hk_remove_folder() (
  hk_enter "${1%/*}/" 2>/dev/null && rmdir -- "./${1##*/}" 2>/dev/null
)

# hk_remove_folders PATH: if it is empty, and the folders it is in, as far as they are
hk_remove_folders() (
  hk_path=$1
  while [ -n "$hk_path" ] && hk_remove_folder "$hk_path"; do hk_path=${hk_path%/*}; done
  :
)

# hk_keep PATH COPY: a copy of what stands there, unless there is one already; COPY lies in a folder of root
hk_keep() (
  [ ! -e "$2" ] && [ ! -L "$2" ] || exit 0
  hk_enter "${1%/*}/" || exit 0
  [ -e "./${1##*/}" ] || [ -L "./${1##*/}" ] || exit 0
  rm -rf -- "$2.new" && cp -a -T -- "./${1##*/}" "$2.new" || exit 1
  # Only a file has something that can be lost; sync(1) refuses pipes and follows links.
  [ -L "$2.new" ] || [ ! -f "$2.new" ] || sync "$2.new" || exit 1
  mv -f -T -- "$2.new" "$2"
)

# hk_put_back COPY PATH: what `hk_keep` kept stands there again; without a copy nothing does
hk_put_back() (
  if [ -e "$1" ] || [ -L "$1" ]; then
    hk_enter "${2%/*}/" make || exit 1
    hk_new "${2##*/}"
    cp -a -T -- "$1" "./$hk_new" && mv -f -T -- "./$hk_new" "./${2##*/}"
  else
    hk_remove "$2"
  fi
)

# hk_keep_once PATH COPY first|again: what stands at PATH before hostkit ever writes there. Decided once: COPY.none says that nothing
# stood there, so that what a run wrote that was cut short is never taken for it. `again`: hostkit wrote there before; it may have been
# given back since.
hk_keep_once() {
  if [ "$3" = again ] && [ ! -e "$2.restored" ] && [ ! -L "$2.restored" ]; then return 0; fi
  if [ ! -e "$2" ] && [ ! -L "$2" ] && [ ! -e "$2.none" ]; then
    hk_keep "$1" "$2" || return 1
    [ -e "$2" ] || [ -L "$2" ] || : >"$2.none" || return 1
    sync "${2%/*}"
  fi
  rm -f -- "$2.restored"
}

# hk_give_back COPY PATH: what `hk_keep_once` kept stands there again. COPY.restored says that it was done, until the run has ended:
# a second time, after a run that was cut short, leaves what stands there by then.
hk_give_back() {
  if [ -e "$1" ] || [ -L "$1" ]; then
    hk_put_back "$1" "$2" && mv -f -T -- "$1" "$1.restored" || return 1
  elif [ ! -e "$1.restored" ] && [ ! -L "$1.restored" ]; then
    hk_remove "$2" || return 1
    [ ! -d "${1%/*}" ] || : >"$1.restored" || return 1
  fi
  rm -f -- "$1.none"
}

# hk_exchange A B [WORD…]: both are there and change places in one act of the file system, or nothing happens; the words before the
# command make it somebody else's. renameat2(2): its number, AT_FDCWD (-100) twice, RENAME_EXCHANGE (2). coreutils' mv has it since 9.5.
hk_exchange() {
  hk_left_side=$1 hk_right_side=$2
  shift 2
  case $(uname -m) in
    x86_64) hk_call=316 ;;
    aarch64 | riscv64 | loongarch64) hk_call=276 ;;
    armv*) hk_call=382 ;;
    i?86) hk_call=353 ;;
    ppc64*) hk_call=357 ;;
    s390x) hk_call=347 ;;
    *) echo "hostkit does not know how to exchange two folders on $(uname -m)" >&2; return 1 ;;
  esac
  "$@" perl -e 'my ($n, $a, $b) = @ARGV; $n += 0; syscall($n, -100, $a, -100, $b, 2) == 0 or die "cannot exchange $a and $b: $!\n"' \
    "$hk_call" "$hk_left_side" "$hk_right_side"
}
