import { sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
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

/** Whose lines are read. */
export interface JournalUnits {
  /** Names of units, with `*`. */
  readonly patterns: readonly string[];
  /** And all that this unit wants. */
  readonly wantedBy?: string;
}

/** Prints the journal of units, the newest `lines` of it; with `follow` it goes on. */
export function journalScript(
  { patterns, wantedBy }: JournalUnits,
  options: {
    readonly lines: number;
    readonly format: "json" | "short-iso";
    readonly follow: boolean;
  },
): Script {
  const units = patterns.flatMap((pattern) => ["-u", pattern]);
  const wanted =
    wantedBy === undefined
      ? sh``
      : sh`$(systemctl show -p Wants --value -- ${wantedBy} | tr ' ' '\n' | sed -n 's/..*/-u &/p')`;
  const follow = options.follow ? ["-f"] : [];
  return sh`exec journalctl --no-pager -q -n ${options.lines} -o ${options.format} ${follow} ${units} ${wanted}`;
}
