import { joinScripts, type Script, sh } from "../shell/script.ts";
import type { FactGroup } from "./fact.ts";

/** What `unit`, `target` and `sshd` need of a unit, together: systemd(1) is asked once. */
const properties =
  "Id,Description,Type,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,Result,NRestarts,ActiveEnterTimestamp,NextElapseUSecRealtime,MemoryCurrent,Listen";

export const socketUnit = "ssh.socket";

/**
 * Prints `Members TARGET UNIT…` for each target, `Units UNIT…`, then the properties of those units in that order, with a blank
 * line in between; in the end what `sshd -T` says.
 * What hangs on a target is read from its unit files, where hostkit and `systemctl enable` write it: no program is started for it.
 */
export const systemdGroup: FactGroup = {
  name: "systemd",
  lane: "units",
  script(subjects) {
    const units = [
      ...(subjects.get("unit") ?? []),
      ...(subjects.has("sshd") && !(subjects.get("unit") ?? []).includes(socketUnit)
        ? [socketUnit]
        : []),
    ];
    const targets = subjects.get("target") ?? [];
    const maybe = subjects.get("installed-unit") ?? [];
    return joinScripts([
      sh`set -- ${units}`,
      maybe.length === 0
        ? sh``
        : sh`for unit in ${maybe}; do
  for d in /etc /run /usr/local/lib /usr/lib /lib; do
    if [ -e "$d/systemd/system/$unit" ]; then set -- "$@" "$unit"; break; fi
  done
done`,
      targets.length === 0 ? sh`` : findMembers(targets),
      sh`printf ${"Units %s\n\n"} "$*"
TZ=UTC systemctl show --timestamp=unix -p ${properties} -- "$@" || TZ=UTC systemctl show -p ${properties} -- "$@"`,
      subjects.has("sshd")
        ? sh`[ -d /run/sshd ] || mkdir -m 0755 /run/sshd
echo
sshd -T`
        : sh``,
    ]);
  },
};

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

/** Values by property, of each unit that was asked. */
export type Properties = ReadonlyMap<string, string>;

export interface SystemdReply {
  readonly units: ReadonlyMap<string, Properties>;
  /** Targets: themselves and what hangs on them, each once. */
  readonly members: ReadonlyMap<string, readonly string[]>;
}

export function parseSystemd(stdout: string): SystemdReply {
  const members = new Map<string, readonly string[]>();
  for (const match of stdout.matchAll(/^Members (\S+) (.*)$/gm)) {
    members.set(match[1] as string, [...new Set((match[2] as string).split(" "))]);
  }
  const units = new Map<string, Properties>();
  const begin = /^Units (.*)\n\n/m.exec(stdout);
  if (begin === null) return { units, members };
  const names = (begin[1] as string).split(" ");
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
  return { units, members };
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
