import type { DrillRecord } from "../facts/backups/drill.ts";
import type { Proof } from "../stack/backups/proofs.ts";
import { formatBytes } from "./bytes.ts";
import type { Colors } from "./colors.ts";
import { formatSeconds } from "./duration.ts";
import { plainText } from "./terminal-text.ts";

/** What a drill of a repository is called. */
export function nameDrill({ tool, repository }: Pick<Proof, "tool" | "repository">): string {
  return `drill ${tool} in ${repository}`;
}

/** Whether a proof is one that somebody has to look after. */
export function isProofSick({ state }: Proof): boolean {
  return state === "failed" || state === "overdue";
}

/**
 * The cells of a proof, for a table.
 * @param now seconds since the epoch, on the host's clock
 */
export function proofRow(proof: Proof, now: number, colors: Colors): string[] {
  const { state, last, proved } = proof;
  const ago = ({ finished }: DrillRecord) => `${formatSeconds(now - finished)} ago`;
  const name = nameDrill(proof);
  const before = proved === undefined ? "never proved" : `proved ${ago(proved)}`;
  switch (state) {
    case "ok":
      return [
        colors.green("✓"),
        name,
        last === undefined ? "" : `proved ${ago(last)}`,
        colors.dim(last === undefined ? "" : describeDrill(last)),
      ];
    case "failed":
      return [
        colors.red("✗"),
        name,
        colors.red(last === undefined ? "failed" : `${last.outcome} ${ago(last)}`),
        colors.dim(`${plainText(last?.cause.split("\n")[0] ?? "")}; ${before}`),
      ];
    case "overdue":
      return [colors.red("✗"), name, colors.red("overdue"), colors.dim(before)];
    case "running":
      return [colors.cyan("…"), name, "is going on", ""];
    case "none":
      return [colors.dim("·"), name, "not yet", colors.dim("hostkit backup verify")];
  }
}

/** What came back, and how fast: `20261121-013416F, 340 MiB back in 12 s, 2 queries true`. */
export function describeDrill(record: DrillRecord): string {
  const {
    label,
    bytes,
    restored,
    replayed,
    newest,
    questions = 0,
    files,
    same = 0,
    started,
    refuses,
  } = record;
  const back =
    restored === undefined || files !== undefined ? undefined : restored + (replayed ?? 0);
  return [
    plainText(label),
    ...(back === undefined
      ? []
      : [`${bytes === undefined ? "" : `${formatBytes(bytes)} `}back in ${formatSeconds(back)}`]),
    ...(newest === undefined || newest === 0
      ? []
      : [`newest change ${formatSeconds(started - newest)} old`]),
    ...(files === undefined
      ? []
      : [`${files} file${files === 1 ? "" : "s"} of it read, ${same} the same on the host`]),
    ...(refuses === undefined
      ? []
      : [refuses ? "removing refused" : "whether removing is refused: not tried yet"]),
    ...(questions === 0 ? [] : [`${questions} quer${questions === 1 ? "y" : "ies"} true`]),
  ].join(", ");
}
