import { idsOf } from "../resources/resource.ts";
import { sh } from "../shell/script.ts";
import type { OperationStep } from "./operation.ts";

/**
 * Writes down on the host that old backups were removed from its repositories.
 * @param record the file
 * @param time seconds since the epoch
 */
export function planExpiryRecord(
  record: string,
  repositories: readonly string[],
  time: number,
): OperationStep[] {
  return [
    {
      id: idsOf("file")(record),
      title: "write down that old backups were removed",
      because: "asked for",
      script: sh`hk_read ${record} 2>/dev/null >before || :
for repository in ${repositories}; do
  grep -v "^$repository " before >after || :
  mv after before
  echo "$repository "${time} >>before
done
hk_put before ${record} 0600 root root`,
    },
  ];
}
