import { sh } from "../../shell/script.ts";
import type { Content, Step } from "../resource.ts";

const pattern =
  /^\/etc\/systemd\/system\/(?:([^/]+\.(?:service|socket|timer|target|path))|([^/]+\.(?:service|socket|timer|target|path))\.d\/([^/]+\.conf))$/;

/**
 * Steps that let systemd read a unit's file, or a drop-in with its unit, before it stands where a boot would read it: what it says it
 * would not start is refused, and the file that was there stays. None for other files. That a program is not there yet, or not named
 * yet, is no reason: its package, or the drop-in that names it, comes later. systemd-analyze(1), systemd.unit(5).
 */
export function tryUnitFile(path: string, content: Content): Step[] {
  const [, whole, base, dropIn] = pattern.exec(path) ?? [];
  const unit = whole ?? base;
  if (unit === undefined || !("text" in content)) return [];
  return [
    { type: "upload", as: "unit-file", content },
    {
      type: "script",
      title: `let systemd read ${unit}`,
      script: sh`unit=${unit}
drop_in=${dropIn ?? ""}
rm -rf tried
mkdir tried
if [ -z "$drop_in" ]; then cp unit-file "tried/$unit"
else
  of=$(systemctl show -p FragmentPath --value "$unit" 2>/dev/null || true)
  # A drop-in may come before its package.
  [ -f "$of" ] || exit 0
  cp "$of" "tried/$unit"
  mkdir "tried/$unit.d"
  cp unit-file "tried/$unit.d/$drop_in"
fi
SYSTEMD_UNIT_PATH=$PWD/tried: systemd-analyze verify --man=no "tried/$unit" >said 2>&1 || true
rm -rf tried
# Of other units, which it reads along, nothing is asked here. A template is tried under the name of an instance.
said_of=$(printf '%s\n' "$unit" | sed 's/@[.].*/@/')
if grep -F -- "$said_of" said | grep -E 'Refusing|fatal error' | grep -v 'has no ExecStart=' >refused; then
  cat refused >&2
  echo "systemd would not start $unit as it is written; the file that stood there was left alone" >&2
  exit 1
fi`,
    },
  ];
}
