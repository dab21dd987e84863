import { readFile, rm, stat } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { findUnpinned, lockFileOf, lockKeyOf, parseLock, renderLock } from "../manifest/lock.ts";
import type { Lock } from "../manifest/lock.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { formatProblem, problemAt } from "../manifest/parse.ts";
import type { Problem } from "../manifest/parse.ts";
import { decodeText } from "./decode-text.ts";
import type { LoadedManifest } from "./manifest.ts";
import { replaceFile } from "./output.ts";
import { explainFileError } from "./paths.ts";

/** Thousands of images. */
const mostBytes = 1024 * 1024;

interface LockFile {
  readonly lock: Lock;
  /** Absent: there is no such file. */
  readonly text?: string;
  readonly problem?: Problem;
}

/** Reads the lock beside a manifest; that there is none is no problem. */
export async function readLockFile({ parsed, folder }: LoadedManifest): Promise<LockFile> {
  const name = lockFileOf(parsed.file);
  const file = placeOf({ parsed, folder });
  const fail = (message: string): LockFile => ({
    lock: new Map(),
    text: "",
    problem: { severity: "error", file: name, line: 1, column: 1, path: "", message },
  });
  try {
    const { size } = await stat(file);
    if (size > mostBytes) return fail(`it has ${size} bytes; no lock is that long`);
    const decoded = decodeText(await readFile(file));
    if (!("text" in decoded)) return fail("it is not UTF-8 text");
    return { ...parseLock(decoded.text, name), text: decoded.text };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { lock: new Map() };
    return fail(`it cannot be read: ${explainFileError(error)}`);
  }
}

/** The lock of a manifest, with all that keeps its images from being known. */
export async function readPinned(
  loaded: LoadedManifest,
  manifest: Manifest,
): Promise<{ readonly lock: Lock; readonly problems: readonly Problem[] }> {
  const { lock, problem } = await readLockFile(loaded);
  if (problem !== undefined) return { lock, problems: [problem] };
  const problems = findUnpinned(manifest, lock).map(({ section, name, source }) => {
    const key = source.kind === "image" ? lockKeyOf(source.reference) : "";
    return problemAt(
      loaded.parsed,
      [section, name, "image"],
      `${key} is not pinned: a tag can change under you. \`hostkit update ${name}\` looks up which image it is now and keeps that in ${path.basename(lockFileOf(loaded.parsed.file))}`,
    );
  });
  return { lock, problems };
}

/** @throws HostkitError manifest_invalid where the lock cannot be read */
export async function requireLock(loaded: LoadedManifest): Promise<LockFile> {
  const read = await readLockFile(loaded);
  if (read.problem === undefined) return read;
  throw new HostkitError("manifest_invalid", {
    what: `${lockFileOf(loaded.parsed.file)} cannot be used`,
    details: [formatProblem(read.problem)],
    next: `mend it, or remove it and run: hostkit update`,
  });
}

/**
 * Writes the lock, whole or not at all; one without images is no file.
 * @returns whether anything changed
 * @throws HostkitError usage
 */
export async function writeLockFile(
  loaded: LoadedManifest,
  lock: Lock,
  before: string | undefined,
): Promise<boolean> {
  const file = placeOf(loaded);
  const text = lock.size === 0 ? undefined : renderLock(lock);
  if (text === before) return false;
  try {
    if (text === undefined) await rm(file, { force: true });
    else await replaceFile(file, text, 0o644);
    return true;
  } catch (cause) {
    throw new HostkitError(
      "usage",
      {
        what: `${lockFileOf(loaded.parsed.file)} cannot be written`,
        where: file,
        why: explainFileError(cause),
      },
      { cause },
    );
  }
}

function placeOf({ parsed, folder }: Pick<LoadedManifest, "parsed" | "folder">): string {
  return path.join(folder, path.basename(lockFileOf(parsed.file)));
}
