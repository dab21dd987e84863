import { joinScripts, type Script, sh } from "../../shell/script.ts";
import {
  defineTellActive,
  findEnabled,
  parseActiveUnits,
  type Properties,
} from "./active-units.ts";
import type { FactGroup } from "../fact.ts";

/** What `unit`, `target` and `sshd` need of a unit, together: systemd(1) is asked once. */
const properties =
  "Id,Description,Type,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,Result,NRestarts,ActiveEnterTimestamp,NextElapseUSecRealtime,MemoryCurrent,Listen";

export const socketUnit = "ssh.socket";

/**
 * Prints `Members TARGET UNIT…` for each target; of the units what `tell_active` says, where all is well with them, or `Units UNIT…` and the
 * properties of those units in that order, with a blank line in between; in the end what sshd(8) would run with: `sshd -G` (since
 * 9.3) leaves its host keys alone, and wants no folder in /run.
 * What hangs on a target is read from its unit files, where hostkit and `systemctl enable` write it: no program is started for it.
 */
export const systemdGroup: FactGroup = {
  name: "systemd",
  lane: "units",
  script(subjects) {
    const units = subjects.get("unit") ?? [];
    const targets = subjects.get("target") ?? [];
    const installed = subjects.get("installed-unit") ?? [];
    const used = [
      ...(subjects.get("used-unit") ?? []),
      ...(subjects.has("sshd") ? [socketUnit] : []),
    ].filter((name) => !units.includes(name));
    const show = sh`printf ${"Units %s\n\n"} "$*"
# Without a unit it would speak of itself.
[ $# -eq 0 ] || TZ=UTC systemctl show --timestamp=unix -p ${properties} -- "$@" || TZ=UTC systemctl show -p ${properties} -- "$@"`;
    return joinScripts([
      sh`set -- ${units}`,
      findEnabled,
      installed.length === 0 ? sh`` : addInstalled(installed),
      used.length === 0 ? sh`` : addUsed(used),
      sh`linked=" $* "`,
      targets.length === 0 ? sh`` : findMembers(targets),
      subjects.has("restarts")
        ? show
        : sh`${defineTellActive}
case $linked in *${` ${socketUnit} `}*) false ;; *) tell_active "$linked" "$@" ;; esac || {
${show}
}`,
      subjects.has("sshd")
        ? sh`echo
sshd -G || { [ -d /run/sshd ] || mkdir -m 0755 /run/sshd; sshd -T; }`
        : sh``,
    ]);
  },
};

/** Adds units to the shell's arguments that somebody has installed. */
function addInstalled(units: readonly string[]): Script {
  return sh`for unit in ${units}; do
  for d in /etc /run /usr/local/lib /usr/lib /lib; do
    if [ -e "$d/systemd/system/$unit" ]; then set -- "$@" "$unit"; break; fi
  done
done`;
}

/**
 * Adds units to the shell's arguments that are enabled (`$enabled`), run (have a control group) or are masked. systemd keeps nothing of the others: it
 * would read their files for each question, and forget them. The one gap: a service that is not enabled, between two automatic restarts.
 */
function addUsed(units: readonly string[]): Script {
  return sh`for unit in ${units}; do
  case "$enabled " in *" $unit "*) set -- "$@" "$unit"; continue ;; esac
  if [ -e "/sys/fs/cgroup/system.slice/$unit" ] || [ -L "/etc/systemd/system/$unit" ]; then set -- "$@" "$unit"; fi
done`;
}

/** Adds to the shell's arguments: targets, and what Wants= and Requires= of their unit files and folders name (systemd.unit(5)). */
function findMembers(targets: readonly string[]): Script {
  return sh`take() {
  members="$members $1"
  case " $all " in *" $1 "*) ;; *) all="$all $1" ;; esac
}
all="$*"
for target in ${targets}; do
  members=
  take "$target"
  for d in /etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system; do
    for f in "$d/$target.wants"/* "$d/$target.requires"/*; do
      [ ! -L "$f" ] || take "\${f##*/}"
    done
    for f in "$d/$target" "$d/$target.d"/*.conf; do
      [ -f "$f" ] || continue
      while IFS= read -r line || [ -n "$line" ]; do
        case $line in Wants=*|Requires=*) for unit in \${line#*=}; do take "$unit"; done ;; esac
      done <"$f"
    done
  done
  echo "Members $target$members"
done
set -f
set -- $all
set +f`;
}

export interface SystemdReply {
  /** False where `tell_active` was enough: properties that it does not tell are then not there. */
  readonly isInFull: boolean;
  readonly units: ReadonlyMap<string, Properties>;
  /** Targets: themselves and what hangs on them, each once. */
  readonly members: ReadonlyMap<string, readonly string[]>;
}

export function parseSystemd(stdout: string): SystemdReply {
  const members = new Map<string, readonly string[]>();
  for (const match of stdout.matchAll(/^Members (\S+) (.*)$/gm)) {
    members.set(match[1] as string, [...new Set((match[2] as string).split(" "))]);
  }
  const begin = /^Units (.*)\n\n/m.exec(stdout);
  if (begin === null) return { isInFull: false, units: parseActiveUnits(stdout), members };
  const units = new Map<string, Properties>();
  const names = (begin[1] as string).split(" ").filter((name) => name !== "");
  const blocks = stdout.slice(begin.index + begin[0].length).split(/\n\s*\n/);
  names.forEach((name, index) => {
    const block = blocks[index];
    if (block === undefined || !block.includes("=")) return;
    const value = new Map<string, string>();
    for (const line of block.split("\n")) {
      const at = line.indexOf("=");
      const key = line.slice(0, at);
      // Listen= stands there once for each address.
      const before = value.get(key);
      value.set(key, `${before === undefined ? "" : `${before} `}${line.slice(at + 1)}`);
    }
    units.set(name, value);
  });
  return { isInFull: true, units, members };
}

/**
 * `@1763683200` (--timestamp=unix, systemd ≥ 248) or `Fri 2026-11-20 23:59:00 UTC`, which timers' next elapse keeps: seconds
 * since the epoch, 0 where never.
 */
export function parseTimestamp(text: string | undefined): number {
  const unix = /^@(\d+)/.exec(text ?? "")?.[1];
  if (unix !== undefined) return Number(unix);
  const match = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/.exec(text ?? "");
  return match === null ? 0 : Date.parse(`${match[1]}T${match[2]}Z`) / 1000;
}
