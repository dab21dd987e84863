import { type Script, sh } from "../../shell/script.ts";

/** Fills `$enabled` with the names of units that `systemctl enable` has linked, a space before each. */
export const findEnabled: Script = sh`enabled=
for f in /etc/systemd/system/*.wants/* /etc/systemd/system/*.requires/*; do enabled="$enabled \${f##*/}"; done`;

/**
 * A shell function `tell_active LINKED UNIT…`: prints `Active STATE UNIT…`, a line of `systemctl list-units` for each, when they were started, and
 * a blank line. It wants `$enabled`. It fails, printing nothing, where one of them is not loaded and active, was started within the last minute (it may
 * end again and again), or is not as on disk; and where one of LINKED (names between spaces) is neither enabled nor linked by its
 * package. systemd must then be asked about each: `systemctl show`, for which it tells some 400 properties of a unit.
 *
 * Whether systemd has read what is on disk is told by times: each daemon-reload makes the folder of the generators anew (systemd.generator(7))
 * before it reads units. find's `-cnewer` also sees a file that a package brought with its own, older time. When a unit was started
 * is the time of the link that systemd keeps for journald.
 */
export const defineTellActive: Script = sh`tell_active() (
  linked=$1
  shift
  [ $# -gt 0 ] && [ -d /run/systemd/generator ] || exit
  where= active= states=
  for d in /etc /run /usr/local/lib /usr/lib; do
    [ ! -d "$d/systemd/system" ] || where="$where $d/systemd/system"
  done
  for unit; do
    [ ! -L "/run/systemd/units/invocation:$unit" ] || where="$where /run/systemd/units/invocation:$unit"
  done
  set -f
  starts=$(find $where -path '/run/systemd/units/*' '(' -mmin -1 -print -quit -o -printf '%T@ %f\\n' ')' -o -cnewer /run/systemd/generator -print -quit) || exit
  case $starts in */*) exit 1 ;; esac
  list=$(systemctl list-units --all --plain --no-legend --full -- "$@") || exit
  IFS='
'
  for line in $list; do
    rest=\${line#* }
    case \${rest#"\${rest%%[! ]*}"} in
      'loaded active '*) active="$active \${line%% *}" ;;
      *) exit 1 ;;
    esac
  done
  set +f
  for unit; do
    case "$active " in *" $unit "*) ;; *) exit 1 ;; esac
    case "$enabled " in *" $unit "*) states="$states enabled $unit"; continue ;; esac
    for f in /usr/lib/systemd/system/*.wants/"$unit"; do
      if [ -L "$f" ]; then states="$states static $unit"; continue 2; fi
    done
    case $linked in *" $unit "*) exit 1 ;; esac
  done
  printf 'Active%s\\n%s\\n%s\\n\\n' "$states" "$list" "$starts"
)`;

/** A unit's properties, named as in systemctl(1). */
export type Properties = ReadonlyMap<string, string>;

/** By unit; empty where the function has failed. */
export function parseActiveUnits(stdout: string): ReadonlyMap<string, Properties> {
  const [, states = "", lines = ""] = /^Active(.*)\n([\s\S]*?)\n\n/m.exec(stdout) ?? [];
  const fileStates = new Map(
    Array.from(states.matchAll(/(\S+) (\S+)/g), ([, state, name]) => [name, state]),
  );
  const starts = new Map(
    Array.from(lines.matchAll(/^(\d+)\S* invocation:(.+)$/gm), ([, time, name]) => [name, time]),
  );
  const units = new Map<string, Properties>();
  for (const match of lines.matchAll(/^(\S+) +loaded +active +(\S+) ?(.*)$/gm)) {
    const [, name, subState, description] = match as unknown as [string, string, string, string];
    const start = starts.get(name);
    units.set(
      name,
      new Map([
        ["Id", name],
        ["Description", description.trim()],
        ["LoadState", "loaded"],
        ["ActiveState", "active"],
        ["SubState", subState],
        ["UnitFileState", fileStates.get(name) ?? ""],
        ["NeedDaemonReload", "no"],
        ["Result", "success"],
        ...(start === undefined ? [] : [["ActiveEnterTimestamp", `@${start}`] as const]),
      ]),
    );
  }
  return units;
}
