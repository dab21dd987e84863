import { HostkitError } from "../errors.ts";
import { buildProbe, parseProbe } from "../facts/fact.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import type { Connection } from "./connection.ts";
import { type Mark, noMark } from "./mark.ts";

/**
 * Answers every need in one round trip.
 * @param opening may still be on its way: the script is written meanwhile
 * @param marker random hex word, so that no output can pass for a section's border
 * @throws HostkitError `internal` when the reply is cut short
 */
export async function gatherFacts(
  opening: Connection | Promise<Connection>,
  needs: readonly FactNeed[],
  marker: string,
  mark: Mark = noMark,
): Promise<Facts> {
  const script = buildProbe(needs, marker).text;
  const connection = await opening;
  const probed = mark("probe");
  const result = await connection.exec(script);
  probed();
  const parsed = mark("read the answer");
  const facts = parseProbe(needs, marker, result.stdout);
  parsed();
  if (facts !== undefined) return facts;
  throw new HostkitError("internal", {
    what: `the probe did not run to its end (exit ${result.code ?? result.signal})`,
    where: connection.description,
    why: "its reply is cut short; nothing was changed",
    details: result.stderr.split("\n").slice(0, 10),
    next: "run `hostkit doctor`; it checks the shell and the tools on the host",
  });
}
