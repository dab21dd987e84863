import { idsOf } from "../resources/resource.ts";
import { sh } from "../shell/script.ts";
import type { OperationStep } from "./operation.ts";

/**
 * Writes down on the host that its keys were copied.
 * @param sums hashes of the files they stand in
 * @param to age recipients, or `plain`
 */
export function planKeyRecord(
  record: string,
  sums: readonly string[],
  to: readonly string[],
): OperationStep[] {
  return [
    {
      id: idsOf("file")(record),
      title: "write down that the keys of the backups were copied",
      because: "asked for",
      script: sh`{ hk_read ${record} 2>/dev/null || true; for sum in ${sums}; do echo "$sum $(date +%s) "${to.join(" ")}; done; } | tail -n 200 >record
hk_put record ${record} 0600 root root`,
    },
  ];
}
