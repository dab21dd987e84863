import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { aptPrelude } from "./apt.ts";
import { lookAtUses } from "./package-uses.ts";

/** What of a package's configuration somebody changed: dpkg knows what it shipped, the ledger what its installation made. */
const readConffiles = String.raw`conffiles_of() { dpkg-query -W -f '${"$"}{Conffiles}\n' "$1" 2>/dev/null | awk 'NF >= 2 {print $2 "  " $1}'; }
changed_conffiles() {
  conffiles_of "$1" | while IFS= read -r line; do
    f=${"$"}{line#*  }
    if [ -e "$f" ] && ! printf '%s\n' "$line" | md5sum -c --status 2>/dev/null; then echo "$f"; fi
  done
}
# Only what is configured and nothing more: no data, nothing of anybody's, nothing that was there before.
may_purge() {
  if grep -qsxF "rc |$1" "$stack/before/packages"; then return 1; fi
  for d in $(state_folders "$1"); do if grep -qsxF "$d" "$stack/before/folders"; then return 1; fi; done
  if [ "$delete_data" = yes ]; then return 0; fi
  if [ "$1" = docker.io ]; then [ -e "$found/docker-is-empty" ]; return; fi
  [ -z "$(changed_conffiles "$1")" ] || return 1
  for f in $(info_of "$1" postrm); do [ -z "$(dangers "$f" <"$f")" ] || return 1; done
}`;

/** Removes what `go` names. */
const removeChosen = String.raw`docker_is_empty() {
  ! grep -qxF docker.io go || [ -e /var/lib/docker/volumes ] || return 0
  grep -qxF docker.io go || return 1
  ! grep -qsxF /var/lib/docker "$stack/before/folders" || return 1
  timeout 20 docker info >/dev/null 2>&1 || return 1
  [ -z "$(docker ps -aq)" ] && [ -z "$(docker volume ls -q)" ] || return 1
  docker image ls --format '{{.Repository}}:{{.Tag}}' | while read -r i; do
    case $i in hostkit/* | hostkit-lab/* | *:'<none>') ;; *) grep -qsxF "$i" "$stack/images" || { echo "$i"; break; } ;; esac
  done >others
  [ ! -s others ] && [ -z "$(docker image ls -q --filter dangling=true)" ]
}
if grep -qxF docker.io go; then rm -f "$found/docker-is-empty"; fi
if docker_is_empty; then : >"$found/docker-is-empty"; fi
if grep -qxF docker.io go && [ ! -e "$found/docker-is-empty" ] && [ -d /var/lib/docker ]; then echo /var/lib/docker >>"$found/folders"; fi
while read -r p; do
  state_folders "$p" >>"$found/folders"
  dpkg-query -L "$p" | sed -n 's#^\(/usr\)\{0,1\}/lib/systemd/system/\([^/]*\.\(service\|socket\|timer\|path\|target\)\)$#\2#p' >>"$found/units"
  dpkg-query -L "$p" | sed -n 's#^/etc/init.d/##p' >>"$found/init-scripts"
done <go
touch "$found/folders" "$found/units" "$found/init-scripts"
sync "$found/folders" "$found/units" "$found/init-scripts" "$found"
if [ -s go ]; then
  # A second look, a moment before: nothing may have come in between.
  apt-get -s -q remove $(cat go) | sed -n 's/^Remv \([^ :]*\).*/\1/p' | sort -u | comm -23 - go >foreign
  if [ -s foreign ]; then echo "apt would take away what hostkit did not install:" $(cat foreign) >&2; exit 1; fi
  apt_get remove $(cat go)
fi`;

/**
 * What a removal finds before it takes anything: /etc as it was, and what belongs to the packages that go. It stays with the stack until
 * the removal has ended. One that was cut off is gone on with, and can no longer ask packages that are gone.
 */
const keepFound = String.raw`found=$stack/removal
if [ "$is_unfinished" = no ]; then rm -rf "$found"; fi
if [ ! -e "$found" ]; then
  rm -rf "$found.new"
  mkdir "$found.new"
  cp -a /etc "$found.new/etc"
  sync -f "$found.new"
  mv "$found.new" "$found"
fi`;

/** What was removed and may be purged is. Nothing of /etc that a person made goes with it. */
const purgeRemoved = String.raw`dpkg-query -W -f '${"$"}{db:Status-Abbrev}|${"$"}{Package}\n' | awk -F'|' 'substr($1, 2, 1) == "c" {print $2}' | sort -u | comm -12 - ledger >configured
: >purge
: >shipped
while read -r p; do
  if may_purge "$p"; then
    echo "$p" >>purge
    conffiles_of "$p" | sed 's/^[^ ]*  //' >>shipped
  fi
done <configured
if [ -s purge ] || [ -e "$found/conffiles" ]; then
  cat shipped >>"$found/conffiles"
  sync "$found/conffiles" "$found"
  [ ! -s purge ] || dpkg --purge $(cat purge)
  (cd "$found/etc" && find . ! -type d | sed 's#^\.#/etc#') | sort >etc-had
  find /etc -xdev ! -type d | sort | comm -23 etc-had - >etc-gone
  while IFS= read -r f; do
    was=$found/etc${"$"}{f#/etc}
    grep -qxF "$f" "$stack/etc-files" || {
      grep -qxF "$f" "$found/conffiles" && continue
      [ "$delete_data" = no ] || ! grep -qsF "  $f" "$ledger.etc" || continue
      [ ! -f "$was" ] || ! grep -qsxF "$(sha256sum <"$was" | cut -c1-64)  $f" "$ledger.etc" || continue
      [ -L "$was" ] && case $f in /etc/systemd/* | /etc/rc?.d/* | /etc/ssl/certs/* | /etc/alternatives/*) continue ;; esac
    }
    mkdir -p "$(dirname "$f")"
    cp -a "$was" "$f"
    echo "put back: $f"
  done <etc-gone
fi`;

const cleanLinks = String.raw`# What only purging cleans up: links that start what is no longer there.
while read -r u; do
  if systemctl cat "$u" >/dev/null 2>&1; then continue; fi
  DPKG_MAINTSCRIPT_PACKAGE=hostkit deb-systemd-helper purge "$u" >/dev/null 2>&1 || true
  DPKG_MAINTSCRIPT_PACKAGE=hostkit deb-systemd-helper unmask "$u" >/dev/null 2>&1 || true
  find /etc/systemd/system -name "$u" -xtype l -delete
  if [ "$(readlink "/etc/systemd/system/$u")" = /dev/null ]; then rm -f "/etc/systemd/system/$u"; fi
done <"$found/units"
while read -r i; do update-rc.d -f "$i" remove >/dev/null 2>&1 || true; done <"$found/init-scripts"
if ! command -v dockerd >/dev/null && [ -e "$found/docker-is-empty" ]; then rm -f /etc/docker/key.json; rmdir /etc/docker 2>/dev/null || true; fi`;

/** Accounts that came with packages: those that own something that stays, stay. Users first: a primary group cannot go before them. */
export const removeAccounts: Script =
  rawScript(String.raw`owner_of_something() { # user|group NAME: prints the first thing
  roots=/
  for d in /var /var/lib /var/lib/docker /var/lib/docker/volumes /var/lib/postgresql /srv /home /opt /usr/local; do
    if mountpoint -q "$d"; then roots="$roots $d"; fi
  done
  find $roots -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/cache -o -path /var/log -o -path '/var/lib/docker/overlay2' -o -path /var/lib/containerd -o -path /var/lib/hostkit \) -prune -o "-$1" "$2" -print -quit 2>/dev/null | head -n 1
}
# What stays is still hostkit's to take away one day: the line that says it is gone is taken back.
stay_owned() { { grep -v '^{' state || true; } >state.new; mv -f state.new state; }
# A spool without a file in it, of a package that is gone (pgBackRest's). Empty folders elsewhere may be needed: a cluster has such.
remove_empty_spools() { # user|group NAME
  find /var/spool -xdev -mindepth 1 -maxdepth 1 -type d "-$1" "$2" 2>/dev/null >spools || true
  while IFS= read -r d; do
    [ -z "$(find "$d" -xdev ! -type d -print -quit)" ] || continue
    if grep -qsF -- "$d" /var/lib/dpkg/info/*.postinst; then continue; fi
    find "$d" -xdev -depth -type d -empty -delete
  done <spools
}
remove_account() { # user|group NAME
  case $1 in
    user) getent passwd "$2" >/dev/null || return 0 ;;
    group) getent group "$2" >/dev/null || return 0 ;;
  esac
  remove_empty_spools "$1" "$2"
  owned=$(owner_of_something "$1" "$2")
  if [ -n "$owned" ]; then
    printf '%s %s\towns %s\n' "$1" "$2" "$owned" >>"$HOSTKIT_STACK_DIRECTORY/kept"
    return 0
  fi
  if [ "$1" = group ] && getent passwd | cut -d: -f4 | grep -qxF "$(getent group "$2" | cut -d: -f3)"; then return 0; fi
  case $1 in user) userdel "$2" ;; group) groupdel "$2" ;; esac || printf '%s %s\tcould not be removed: something still runs as it\n' "$1" "$2" >>"$HOSTKIT_STACK_DIRECTORY/kept"
}`);

/** What stays is written where the next look reads it; what other stacks need becomes theirs. */
const settle = String.raw`kept=$HOSTKIT_STACK_DIRECTORY/kept
list_left() { dpkg-query -W -f '${"$"}{db:Status-Abbrev}|${"$"}{Package}\n' | awk -F'|' 'substr($1, 2, 1) != "n" {print $2}' | sort -u | comm -12 - ledger; }
hand_over() { # what another stack needs, with all that it needs in turn, goes with that one
  grep "${"$"}tab""the stack [^ ]* needs it$" keep | while IFS=$tab read -r p reason; do
    other=/var/lib/hostkit/$(printf '%s\n' "$reason" | cut -d' ' -f3)
    { echo "$p"; needed_by "$p"; } | sort -u | comm -12 - mine >handed-now
    cat handed-now >>handed
    { cat "$other/packages" 2>/dev/null || true; cat handed-now; } | sort -u >"$other/packages.new"
    mv -f "$other/packages.new" "$other/packages"
    for what in accounts asked etc units; do
      [ ! -e "$ledger.$what" ] || { cat "$other/packages.$what" 2>/dev/null || true; cat "$ledger.$what"; } | sort -u >"$other/packages.$what.new"
      [ ! -e "$other/packages.$what.new" ] || mv -f "$other/packages.$what.new" "$other/packages.$what"
    done
    # The older stack knows better what there was before hostkit.
    cp -a "$stack/before" "$stack/etc-files" "$stack/etc-directories" "$other/" 2>/dev/null || true
  done
}
: >handed
hand_over
sort -u -o handed handed
list_left | comm -23 - handed >candidates
: >left
while read -r p; do
  if grep -qxF "$p" present && ! grep -qxF "$p" go; then
    echo "$p" >>left
    reason=$(grep "^$p$tab" keep | grep -v "${"$"}tab""needed by" | cut -f2 | sort -u | head -n 3 | tr '\n' ';' | sed 's/;$//; s/;/; /g')
    [ -n "$reason" ] || reason=$(grep "^$p$tab" keep | cut -f2 | head -n 1)
    printf 'package %s\t%s\n' "$p" "$reason" >>"$kept"
  else
    files=$(conffiles_of "$p" | sed 's/^[^ ]*  //' | while IFS= read -r f; do if [ -e "$f" ]; then echo "$f"; fi; done | tr '\n' ' ')
    # What only dpkg remembers is nothing that anybody finds.
    [ -n "$files" ] || continue
    echo "$p" >>left
    printf 'configuration of %s\t%s\n' "$p" "${"$"}{files% }" >>"$kept"
  fi
done <candidates
cat "$found/folders" "$ledger.folders" 2>/dev/null | sort -u | while IFS= read -r d; do
  [ -e "$d" ] || continue
  if [ "$delete_data" = yes ]; then
    case $d in /var/lib/?*) grep -qsxF "$d" "$stack/before/folders" || rm -rf --one-file-system -- "$d" ;; esac
    continue
  fi
  echo "$d"
  printf 'folder %s\tdata of a package that was removed\n' "$d" >>"$kept"
done >folders-left
if [ -s handed ]; then printf 'handed\t%s\n' "$(tr '\n' ' ' <handed)" >>"$HOSTKIT_STACK_DIRECTORY/handed"; fi
# An account that an installed package speaks of is that one's, too.
touch "$ledger.accounts"
sort -ru "$ledger.accounts" >accounts
while IFS=: read -r what name; do
  if [ -s handed ] || grep -qsF "\"kind\":\"user\",\"name\":\"$name\"" "$stack/state.jsonl"; then continue; fi
  case $what in user) getent passwd "$name" ;; *) getent group "$name" ;; esac >/dev/null || continue
  if grep -qswF -- "$name" /var/lib/dpkg/info/*.postinst /usr/lib/sysusers.d/*.conf; then
    printf '%s %s\tneeded by a package that stays\n' "$what" "$name" >>"$kept"
    continue
  fi
  remove_account "$what" "$name"
done <accounts
while IFS=: read -r what name; do
  case $what in user) getent passwd "$name" ;; *) getent group "$name" ;; esac >/dev/null && echo "$what:$name"
done <accounts >accounts-left || true
if [ -s left ] || [ -s folders-left ] || grep -q '^\(user\|group\) ' "$kept" 2>/dev/null; then
  stay_owned
  cp left "$ledger"
  cp folders-left "$ledger.folders"
  sort -u accounts-left >"$ledger.accounts"
else
  rm -f "$ledger" "$ledger".*
fi`;

/**
 * Takes away what hostkit installed and nobody else uses, and of what it left behind what nobody wrote.
 * @param isUnfinished an earlier run began it and did not end
 */
export function removalScript(deleteData: boolean, isUnfinished: boolean): Script {
  return joinScripts([
    sh`stack=$HOSTKIT_STACK_DIRECTORY
delete_data=${deleteData ? "yes" : "no"}
is_unfinished=${isUnfinished ? "yes" : "no"}
only=
[ -s "$stack/packages" ] || [ -s "$stack/packages.folders" ] || [ -s "$stack/packages.accounts" ] || {
  rm -rf "$stack/removal"
  exit 0
}`,
    aptPrelude,
    lookAtUses,
    ...[keepFound, readConffiles, removeChosen, purgeRemoved, cleanLinks].map(rawScript),
    removeAccounts,
    rawScript(settle),
    sh`rm -rf "$found"`,
  ]);
}

/** Removes one package of the ledger, `$only`, where nobody else uses it. What it leaves, the removal of the others settles. */
export function removeOneScript(deleteData: boolean): Script {
  return joinScripts([
    sh`stack=$HOSTKIT_STACK_DIRECTORY
delete_data=${deleteData ? "yes" : "no"}
found=.`,
    aptPrelude,
    lookAtUses,
    ...[removeChosen, cleanLinks].map(rawScript),
    rawScript(String.raw`sort -u -o folders folders
cat folders >>"$ledger.folders"
while IFS=$tab read -r p reason; do
  if [ "$p" = "$only" ]; then echo "$p stays: $reason"; fi
done <keep`),
  ]);
}
