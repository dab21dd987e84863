import { gunzipSync } from "node:zlib";
import { HostkitError } from "../errors.ts";
import { buildProbe, parseProbe } from "../facts/fact.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import type { Connection, ExecResult } from "../ssh/connection.ts";
import { explainLoginShell } from "../ssh/login-shell.ts";
import { type Mark, noMark } from "../ssh/mark.ts";

/** Bytes: the reply of a host on which a hundred stacks run is a few. */
const maxReply = 64 * 1024 * 1024;
const firstByteMs = 60_000;
/** Lists of backups may ask repositories far away. */
const replyMs = 180_000;

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
  // A connection that replaces a lost one may be far where that was near: what was asked in one way is read in that way.
  const { isFar } = connection;
  const probed = mark("probe");
  const packed = new Collected(connection.description);
  const result = await connection.exec(
    // Says that the login shell runs what it is sent.
    `echo ${marker} >&2\n${isFar ? packReply(script) : script}`,
    {
      firstByteMs,
      timeoutMs: replyMs,
      maxBytes: maxReply,
      ...(isFar && { onStdout: packed.take }),
      onRepeat: () => packed.forget(),
    },
  );
  probed();
  const parsed = mark("read the answer");
  const reply = isFar ? unpackReply(packed.bytes()) : result.stdout;
  const facts = parseProbe(needs, marker, reply);
  parsed();
  if (facts !== undefined) return facts;
  if (!`${result.stderr}${reply}`.includes(marker))
    throw explainLoginShell(connection.host, connection.description, {
      ...result,
      stdout: isFar ? packed.bytes().toString("utf8") : result.stdout,
    });
  throw explainCutShort(connection.description, result, marker);
}

function explainCutShort(
  where: string,
  result: Pick<ExecResult, "code" | "signal" | "stderr">,
  marker: string,
): HostkitError {
  return new HostkitError("internal", {
    what: `the probe did not run to its end (exit ${result.code ?? result.signal})`,
    where,
    why: "its reply is cut short; nothing was changed",
    details: result.stderr.replace(marker, "").trim().split("\n").slice(0, 10),
    next: "run `hostkit doctor`; it checks the shell and the tools on the host",
  });
}

/** 75 kB become 20: TCP sends that with a round trip less. */
function packReply(script: string): string {
  return `{\n${script}\n} | gzip`;
}

class Collected {
  readonly #where: string;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(where: string) {
    this.#where = where;
  }

  forget(): void {
    this.#chunks.splice(0);
    this.#size = 0;
  }

  readonly take = (chunk: Buffer): void => {
    this.#size += chunk.length;
    if (this.#size > maxReply)
      throw new HostkitError("run_failed", {
        what: `the host answers the probe with more than ${maxReply / 1024 / 1024} MiB`,
        where: this.#where,
        why: "no answer is that long; nothing was changed",
        next: "see what the login shell prints by itself (.bashrc, .profile or its rc file): ssh to it with the command true",
      });
    this.#chunks.push(chunk);
  };

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** gzip's first bytes, RFC 1952: the login shell may have printed something before. */
const gzipMagic = Buffer.from([0x1f, 0x8b, 0x08]);

/** Half a reply is as good as none. */
function unpackReply(packed: Buffer): string {
  try {
    const reply = packed.subarray(Math.max(0, packed.indexOf(gzipMagic)));
    return gunzipSync(reply, { maxOutputLength: 4 * maxReply }).toString("utf8");
  } catch {
    return "";
  }
}
