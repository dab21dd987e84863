import type { Colors } from "./colors.ts";

/** One thing that was looked at, by `doctor`. */
export interface Diagnosis {
  readonly about: string;
  readonly state: "ok" | "warning" | "problem";
  readonly message: string;
  /** What to do about it. */
  readonly next?: string;
}

/** Diagnoses for a terminal, under a title. No trailing newline. */
export function renderDiagnoses(
  title: string,
  diagnoses: readonly Diagnosis[],
  colors: Colors,
): string {
  const width = Math.max(0, ...diagnoses.map(({ about }) => about.length));
  const marks = { ok: colors.green("✓"), warning: colors.yellow("!"), problem: colors.red("✗") };
  const lines = diagnoses.flatMap(({ about, state, message, next }) => [
    `  ${marks[state]} ${about.padEnd(width)}  ${message}`,
    ...(next === undefined ? [] : [`    ${" ".repeat(width)}  ${colors.dim(`→ ${next}`)}`]),
  ]);
  return [colors.bold(title), ...lines].join("\n");
}
