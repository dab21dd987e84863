import { sh } from "../shell/script.ts";
import type { OperationStep } from "./operation.ts";

export type ControlVerb = "start" | "stop" | "restart";

/** One step for all units: systemd orders them by itself. What they said last is in the step's log when it fails. */
export function planControl(verb: ControlVerb, units: readonly string[]): OperationStep[] {
  return [
    {
      id: `units:${units.join(",")}`,
      title: `${verb} ${units.join(" ")}`,
      because: "asked for",
      script: sh`systemctl ${verb} -- ${units} && exit 0
systemctl --no-pager --plain --no-legend --failed list-units -- ${units} >&2
for unit in ${units}; do
  systemctl is-active -q "$unit" || journalctl --no-pager -q -n 15 -o cat -u "$unit" >&2
done
exit 1`,
    },
  ];
}
