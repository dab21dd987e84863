import { rawScript } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";

/**
 * What a package would take with it beyond its own files: `state_folders PACKAGE` prints folders with files in them that no package
 * shipped, as its maintainer scripts and units name them (Debian policy 10.7: data lies under /var/lib, /srv). Docker's own folder counts by
 * what is in Docker, not by its files.
 */
const stateFolders = String.raw`info_of() { for f in /var/lib/dpkg/info/"$1"."$2" /var/lib/dpkg/info/"$1":*."$2"; do if [ -f "$f" ]; then echo "$f"; fi; done; }
state_folders() {
  {
    for s in preinst postinst prerm postrm list; do
      for f in $(info_of "$1" "$s"); do grep -ohE '/(var/(lib|spool|www|opt|mail)|srv|opt|home)/[A-Za-z0-9_.+-]+' "$f" || true; done
    done
    for f in $(info_of "$1" list); do
      for u in $(grep -E '^(/usr)?/lib/systemd/system/[^/]*\.service$' "$f"); do
        sed -n 's/^StateDirectory=//p' "$u" 2>/dev/null | tr ' ' '\n' | sed 's#^\([^:]*\).*#/var/lib/\1#'
      done
    done
  } | sort -u | while IFS= read -r d; do
    case $d in /var/lib/dpkg | /var/lib/apt | /var/lib/systemd | /var/lib/ucf | /var/lib/python | /var/lib/python3 | /var/lib/misc | /var/lib/pam | /var/lib/dbus | /var/lib/private | /var/lib/docker | /var/lib/containerd | /var/lib/hostkit | /var/lib/postgresql) continue ;; esac
    [ -d "$d" ] && [ ! -L "$d" ] || continue
    # Another package's folder is only spoken of here.
    others=$(grep -lsE "$d(\$|[^A-Za-z0-9_.+-])" /var/lib/dpkg/info/*.list /var/lib/dpkg/info/*.postinst /var/lib/dpkg/info/*.postrm | sed 's#.*/##; s/\.[a-z]*$//; s/:.*//' | sort -u | comm -23 - ledger)
    [ -z "$others" ] || continue
    find "$d" -xdev -type f | sort >in-folder
    cat /var/lib/dpkg/info/*.list | grep -F "$d/" | sort -u | comm -13 - in-folder >own-files
    if [ -s own-files ]; then echo "$d"; fi
  done
}`;

/**
 * Whether a maintainer script does more than clean up after its package. `unguarded` leaves out what stands below a test for `purge`;
 * `dangers` prints each command that is not known to be harmless, each deletion outside what a package may clean, each by a name that
 * the script works out, and each user that it deletes. What it does not understand is a danger.
 */
const readScripts = String.raw`unguarded() { awk '/^[[:space:]]*purge\)/ {skip = 1} skip && /;;/ {skip = 0; next} /^[[:space:]]*if .*=[[:space:]]*["'"'"']?purge["'"'"']?[[:space:]]*\]/ && !deep {deep = 1; next}
  deep { if (/^[[:space:]]*if /) deep++; if (/^[[:space:]]*fi([[:space:];]|$)/) deep--; next } !skip'; }
# A name that the script gives once, to a plain word, is as good as the word.
put_in_names() { awk '
  { line[NR] = $0 }
  match($0, /^[[:space:]]*[A-Za-z_][A-Za-z0-9_]*=/) {
    name = substr($0, RSTART, RLENGTH - 1); gsub(/[[:space:]]/, "", name); value = substr($0, RSTART + RLENGTH); gsub(/^["\047]|["\047]$/, "", value)
    count[name]++; if (value ~ /^[A-Za-z0-9_.\/+-]+$/) plain[name] = value; else count[name]++
  }
  END { for (i = 1; i <= NR; i++) { text = line[i]; for (name in plain) if (count[name] == 1) { gsub("[$]" name "([^A-Za-z0-9_]|$)", plain[name] "&", text); gsub("[$]" name, "", text); gsub("[$][{]" name "[}]", plain[name], text) } print text } }'; }
harmless=" [ [[ ] ]] set if then else elif fi case esac for while do done in test true false : exit return local export shift echo printf basename dirname readlink command which ls grep cat cut head sort wc rmdir chmod chown chgrp deb-systemd-helper deb-systemd-invoke systemctl runit-helper md5sum update-rc.d invoke-rc.d dpkg-maintscript-helper dpkg-statoverride dpkg-divert dpkg-query update-alternatives ucf ucfr ldconfig db_purge db_set db_input db_go db_get py3clean "
dangers() {
  sed -e :a -e '/\\$/{N;s/\\\n//;ba' -e '}' | sed 's/^[[:space:]]*#.*//; s/[[:space:]]#[[:space:]].*//; s/[$][{]DPKG_ROOT:-[}]//g; s/[$]DPKG_ROOT//g; s/[$][{]DPKG_ROOT[}]//g' | put_in_names >script-lines
  case $(head -n 1 "$1" 2>/dev/null) in '#!'*sh*) ;; *) echo "not a shell script" ;; esac
  functions=" $(sed -n 's/^[[:space:]]*\([A-Za-z_][A-Za-z0-9_]*\)[[:space:]]*().*/\1/p' script-lines | tr '\n' ' ')"
  # What is written over is lost, too.
  sed -n 's/^[[:space:]]*\(.*\)/\1/; /\(^\|[^-]\)>|\{0,1\}[[:space:]]*"\{0,1\}\([$]\|\/\(var\/\(lib\|spool\|www\|opt\|mail\)\|srv\|opt\|home\|root\)\/\)/s/^/writes: /p' script-lines
  # Without function names and case patterns, one command a line.
  sed 's/^[[:space:]]*[A-Za-z_][A-Za-z0-9_]*[[:space:]]*()[[:space:]]*//; s/^[[:space:]]*(\{0,1\}[[:space:]]*[^][:space:]$();[]*\([[:space:]]*|[[:space:]]*[^][:space:]$();[]*\)*)//' script-lines |
    sed 's/&&/\n/g; s/||/\n/g; s/;;/\n/g; s/;/\n/g; s/|/\n/g; s/[$](/\n/g; s/${"`"}/\n/g' | while IFS= read -r line; do
    set -f
    set -- $(printf '%s\n' "$line" | tr -d "\"'(){}" | sed 's/[0-9]*[<>]&*[^ ]*//g')
    set +f
    while [ $# -gt 0 ]; do
      case $1 in then | else | elif | if | do | while | '!' | in | exec | *=* | -*) shift ;; *) break ;; esac
    done
    if [ "${"$"}{1-}" = command ]; then case ${"$"}{2-} in -*) ;; *) shift ;; esac; fi
    [ $# -gt 0 ] || continue
    case $1 in
      rm | find | mv | unlink | xargs)
        shift
        for word in "$@"; do
          case $word in
            *'$'* | *..*) echo "deletes what it works out: $line" ;;
            /etc/?* | /usr/?* | /run/?* | /var/run/?* | /var/cache/?* | /tmp/?* | /dev/?* | /lib/?*) ;;
            /*) if [ -e "$word" ]; then echo "deletes $word"; fi ;;
          esac
        done ;;
      userdel | deluser | groupdel | delgroup) echo "deletes a user: $line" ;;
      . | source) case $2 in /usr/share/debconf/confmodule) ;; *) echo "unknown: $line" ;; esac ;;
      '$@'* | '$*'*) echo "unknown: $line" ;;
      '$'*) [ $# -eq 1 ] || echo "unknown: $line" ;;
      *')') ;;
      *) case "$harmless$functions" in *" $1 "*) ;; *) echo "unknown: $line" ;; esac ;;
    esac
  done
}`;

/** Both, for steps that remove packages and looks before it. */
export const maintainerScripts: Script = rawScript([stateFolders, readScripts].join("\n"));
