import { mkdir, open, readFile, rename } from "node:fs/promises";
import path from "node:path";
import type { Manifest } from "../manifest/manifest.ts";
import { problemAt } from "../manifest/parse.ts";
import type { Problem } from "../manifest/parse.ts";
import { isExpiryLate, listKept } from "../stack/backups/growing.ts";
import type { LoadedManifest } from "./manifest.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What was left in a repository when old backups were removed from this machine; who takes a host over does not reach it. */
export interface ExpiryNote {
  readonly stack: string;
  readonly repository: string;
  readonly tool: "postgres" | "files";
  /** Seconds since the epoch. */
  readonly time: number;
  /** Labels, the oldest first. */
  readonly left: readonly string[];
}

/** The newest note of each repository and tool of a stack. One that cannot be read is none. */
export async function readExpiryNotes(
  environment: Environment,
  stack: string,
): Promise<ExpiryNote[]> {
  try {
    const notes = JSON.parse(await readFile(fileOf(environment, stack), "utf8")) as ExpiryNote[];
    return Array.isArray(notes) ? notes : [];
  } catch {
    return [];
  }
}

/** Writes notes down, in the place of older ones of the same repository and tool; on the disk when this returns. */
export async function writeExpiryNotes(
  environment: Environment,
  stack: string,
  notes: readonly ExpiryNote[],
): Promise<void> {
  const others = (await readExpiryNotes(environment, stack)).filter(
    (old) =>
      !notes.some(({ repository, tool }) => old.repository === repository && old.tool === tool),
  );
  const file = fileOf(environment, stack);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const made = `${file}.${process.pid}`;
  const handle = await open(made, "w", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify([...others, ...notes], undefined, 1)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(made, file);
}

/**
 * Append-only repositories that this machine has removed old backups from, and not for long.
 * @param now seconds since the epoch
 */
export async function findGrowing(
  { parsed }: LoadedManifest,
  manifest: Manifest,
  environment: Environment,
  now: number,
): Promise<Problem[]> {
  const kept = listKept(manifest);
  const notes = kept.length === 0 ? [] : await readExpiryNotes(environment, manifest.stack);
  return kept.flatMap((repository) => {
    const times = notes.filter((one) => one.repository === repository).map(({ time }) => time);
    if (times.length === 0 || !isExpiryLate(Math.min(...times), now)) return [];
    const days = Math.floor((now - Math.min(...times)) / 86_400);
    const message = `it grows: this machine has removed old backups ${days} days ago; hostkit backup expire ${repository}`;
    const pointer = ["backups", "repositories", repository, "append_only"];
    return [{ ...problemAt(parsed, pointer, message), severity: "warning" as const }];
  });
}

function fileOf(environment: Environment, stack: string): string {
  const state =
    environment["XDG_STATE_HOME"] || path.join(environment["HOME"] ?? "/", ".local/state");
  return path.join(state, "hostkit/expired", `${stack}.json`);
}
