import { gunzipSync } from "node:zlib";
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
  const packed: Buffer[] = [];
  const result = connection.isFar
    ? await connection.exec(packReply(script), { onStdout: (chunk) => void packed.push(chunk) })
    : await connection.exec(script);
  probed();
  const parsed = mark("read the answer");
  const reply = connection.isFar ? unpackReply(Buffer.concat(packed)) : result.stdout;
  const facts = parseProbe(needs, marker, reply);
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

/** 75 kB become 20: TCP sends that with a round trip less. */
function packReply(script: string): string {
  return `{\n${script}\n} | gzip`;
}

/** Half a reply is as good as none. */
function unpackReply(packed: Buffer): string {
  try {
    return gunzipSync(packed).toString("utf8");
  } catch {
    return "";
  }
}
