import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { lookAtUses } from "./package-uses.ts";

/** One thing with its reason, as a look found it. */
export interface Found {
  /** "package docker.io", "folder /var/lib/redis", "configuration of nginx" */
  readonly what: string;
  readonly why: string;
}

/** What an uninstall would meet. */
export interface RemovalLook {
  /** Packages of the ledger that are installed. */
  readonly packages: readonly string[];
  /** `user:NAME` and `group:NAME` that came with packages. */
  readonly accounts: readonly string[];
  /** Of the packages, those that stay. */
  readonly stays: readonly Found[];
  /** With the data to be deleted: folders that go with their packages, and their size. */
  readonly data: readonly Found[];
}

/** Looks before anybody is asked. Reads only; `readRemovalLook` reads the reply. */
export function removalLookScript(stackDirectory: string, deleteData: boolean): Script {
  return joinScripts([
    sh`stack=${stackDirectory}
delete_data=${deleteData ? "yes" : "no"}
only=
[ -e "$stack/packages" ] || exit 0
umask 077
folder=$(mktemp -d /run/hostkit-look.XXXXXX)
trap ${'cd /; rm -rf "$folder"'} EXIT
cd "$folder"
set -e`,
    lookAtUses,
    rawScript(String.raw`sed 's/^/package	/' mine
sed 's/^/account	/' "$ledger.accounts" 2>/dev/null || true
while IFS=$tab read -r p reason; do
  case $reason in "needed by"*) ;; *) printf 'stays\t%s\t%s\n' "$p" "$reason" ;; esac
done <keep
[ "$delete_data" = yes ] || exit 0
{
  if grep -qxF docker.io go; then echo /var/lib/docker; fi
  while read -r p; do state_folders "$p"; done <go
  # Of packages that an uninstall before this one took away.
  if [ -e "$ledger.folders" ]; then cat "$ledger.folders"; fi
} | sort -u | while IFS= read -r d; do
  if [ -d "$d" ] && ! grep -qsxF "$d" "$stack/before/folders"; then printf 'data\t%s\t%s\n' "$d" "$(timeout 20 du -shx "$d" 2>/dev/null | cut -f1)"; fi
done`),
  ]);
}

/** Reads the reply of `removalLookScript`. */
export function readRemovalLook(stdout: string): RemovalLook {
  const rows = stdout.split("\n").map((line) => line.split("\t"));
  const of = (word: string): [string, string][] =>
    rows.filter(([first]) => first === word).map(([, what = "", why = ""]) => [what, why]);
  return {
    packages: of("package").map(([name]) => name),
    accounts: of("account").map(([name]) => name),
    stays: merge(of("stays").map(([name, why]) => ({ what: `package ${name}`, why }))),
    data: of("data").map(([path, size]) => ({ what: `folder ${path}`, why: size })),
  };
}

/** One line for each thing, with its reasons. */
function merge(found: readonly Found[]): Found[] {
  const reasons = new Map<string, Set<string>>();
  for (const { what, why } of found)
    reasons.set(what, (reasons.get(what) ?? new Set<string>()).add(why));
  return [...reasons].map(([what, whys]) => {
    const all = [...whys];
    const more = all.length > 3 ? [`and ${all.length - 3} more`] : [];
    return { what, why: [...all.slice(0, 3), ...more].join("; ") };
  });
}

/** Names from the state file that a second look asks for. */
export interface LookedFor {
  readonly packages: readonly string[];
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly units: readonly string[];
}

/**
 * Looks after the run: what the run says it kept, if it is there; and of all that was hostkit's, what is there although nobody said
 * so. Reads only; `readLeftLook` reads the reply.
 */
export function leftLookScript(stackDirectory: string, names: LookedFor): Script {
  return joinScripts([
    sh`export LC_ALL=C
stack=${stackDirectory}
set --`,
    rawScript(String.raw`tab=$(printf '\t')
is_there() {
  case $1 in
    'package '*) dpkg-query -W -f '${"$"}{db:Status-Abbrev}' "${"$"}{1#package }" 2>/dev/null | grep -q '^.[^nc]' ;;
    'configuration of '*) dpkg-query -W -f '${"$"}{Conffiles}\n' "${"$"}{1#configuration of }" 2>/dev/null | awk 'NF >= 2 {print $1}' | while IFS= read -r f; do if [ -e "$f" ]; then echo "$f"; fi; done | grep -q . ;;
    'folder '*) [ -d "${"$"}{1#folder }" ] ;;
    'volume '*) docker volume inspect "${"$"}{1#volume }" >/dev/null 2>&1 || [ -d "/var/lib/docker/volumes/${"$"}{1#volume }" ] ;;
    'user '*) getent passwd "${"$"}{1#user }" >/dev/null ;;
    'group '*) getent group "${"$"}{1#group }" >/dev/null ;;
    *) systemctl cat "${"$"}{1#unit }" >/dev/null 2>&1 ;;
  esac
}
said() { cut -f1 "$stack/kept" 2>/dev/null | grep -qxF -- "$1"; }
if [ -e "$stack/kept" ]; then
  sort -u "$stack/kept" | while IFS=$tab read -r what why; do
    if is_there "$what"; then printf 'kept\t%s\t%s\n' "$what" "$why"; fi
  done
fi
report() { # WHAT: it is there, and nobody said so
  if ! said "$1" && is_there "$1"; then
    for other in /var/lib/hostkit/*/packages; do
      [ "$other" != "$stack/packages" ] || continue
      if grep -qsxF -- "${"$"}{1#package }" "$other" || grep -qsxF -- "${"$"}{1%% *}:${"$"}{1#* }" "$other.accounts"; then
        other=${"$"}{other%/packages}
        printf 'handed\t%s\t%s\n' "$1" "${"$"}{other##*/}"
        return 0
      fi
    done
    printf 'left\t%s\t\n' "$1"
  fi
}`),
    sh`for name in ${names.packages}; do report "package $name"; done
for name in ${names.users}; do report "user $name"; done
for name in ${names.groups}; do report "group $name"; done
for name in ${names.units}; do report "unit $name"; done
if [ -d "$stack" ]; then printf ${"folder\\t%s\\t\\n"} "$stack"; fi`,
  ]);
}

/** What is there after a removal. */
export interface LeftLook {
  /** Kept on purpose. */
  readonly kept: readonly Found[];
  /** What another stack needs now: its name is the reason. */
  readonly handed: readonly Found[];
  /** There, although it should be gone. */
  readonly left: readonly string[];
  /** Whether hostkit still remembers the stack there. */
  readonly isRemembered: boolean;
}

/** Reads the reply of `leftLookScript`. */
export function readLeftLook(stdout: string): LeftLook {
  const rows = stdout.split("\n").map((line) => line.split("\t"));
  const of = (word: string): Found[] =>
    rows
      .filter(([first]) => first === word)
      .map(([, what = "", why = ""]) => ({ what, why: why.trim() }));
  return {
    kept: of("kept"),
    handed: of("handed"),
    left: of("left").map(({ what }) => what),
    isRemembered: of("folder").length > 0,
  };
}
