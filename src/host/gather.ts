import { HostkitError } from "../errors.ts";
import { buildProbe, parseProbe } from "../facts/fact.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import type { Connection } from "./connection.ts";

/**
 * Answers every need in one round trip.
 * @param marker random hex word, so that no output can pass for a section's border
 * @throws HostkitError `internal` when the reply is cut short
 */
export async function gatherFacts(
  connection: Connection,
  needs: readonly FactNeed[],
  marker: string,
): Promise<Facts> {
  const result = await connection.exec(buildProbe(needs, marker).text);
  const facts = parseProbe(needs, marker, result.stdout);
  if (facts !== undefined) return facts;
  throw new HostkitError("internal", {
    what: `the probe did not run to its end (exit ${result.code ?? result.signal})`,
    where: connection.description,
    why: "its reply is cut short; nothing was changed",
    details: result.stderr.split("\n").slice(0, 10),
    next: "run `hostkit doctor`; it checks the shell and the tools on the host",
  });
}
