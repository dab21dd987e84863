import { sh } from "../shell/script.ts";
import type { Connection } from "../ssh/connection.ts";

/** The newest lines that units wrote, oldest first. */
export async function readJournal(
  connection: Connection,
  units: readonly string[],
  lines = 15,
): Promise<string[]> {
  if (units.length === 0) return [];
  const which = units.map((unit) => `--unit=${unit}`);
  const result = await connection.exec(
    sh`journalctl --no-pager -q -n ${lines} -o cat ${which}`.text,
    { onRepeat: () => undefined },
  );
  return result.stdout.trimEnd().split("\n").filter(Boolean);
}
