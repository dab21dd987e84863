import { readFile } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { formatProblem, parseManifest } from "../manifest/parse.ts";
import type { ParsedManifest, Problem } from "../manifest/parse.ts";
import { decodeText } from "./decode-text.ts";
import { explainFileError } from "./paths.ts";

/** A manifest and the folder its paths are relative to. */
export interface LoadedManifest {
  readonly parsed: ParsedManifest;
  /** Absolute. */
  readonly folder: string;
}

/**
 * Reads a manifest file; what is wrong inside it is in `parsed.problems`.
 * @param file as given by the user; messages name it so
 * @throws HostkitError file_missing
 */
export async function readManifest(
  file: string,
  workingDirectory: string,
): Promise<LoadedManifest> {
  const absolute = path.resolve(workingDirectory, file);
  let bytes: Buffer;
  try {
    bytes = await readFile(absolute);
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code !== "ENOENT";
    throw new HostkitError(
      "file_missing",
      {
        what: `the manifest ${file} cannot be read`,
        where: absolute,
        why: explainFileError(cause),
        ...(isThere ? {} : { next: "`hostkit init` writes one; `--file PATH` names another" }),
      },
      { cause },
    );
  }
  return { parsed: parseManifest(decode(bytes, file), file), folder: path.dirname(absolute) };
}

/**
 * The manifest, when nothing in it is wrong.
 * @throws HostkitError manifest_invalid with every problem
 */
export function requireManifest(loaded: LoadedManifest): Manifest {
  const { manifest, problems } = loaded.parsed;
  if (manifest === undefined) throw invalidManifest(loaded, problems);
  return manifest;
}

/** The error that lists every problem of a manifest, each with its place. */
export function invalidManifest(
  loaded: LoadedManifest,
  problems: readonly Problem[],
): HostkitError {
  const errors = problems.filter((problem) => problem.severity === "error").length;
  const warnings = problems.length - errors;
  const also =
    warnings === 0 ? "" : ` and ${warnings === 1 ? "a warning" : `${warnings} warnings`}`;
  return new HostkitError("manifest_invalid", {
    what: `the manifest has ${errors === 1 ? "a problem" : `${errors} problems`}${also}`,
    where: loaded.parsed.file,
    details: problems.map(formatProblem),
    next: "mend the lines above; `hostkit check` looks again without touching a host",
  });
}

function decode(bytes: Buffer, file: string): string {
  const decoded = decodeText(bytes, true);
  if ("text" in decoded) return decoded.text.replace(/^\uFEFF/, "");
  throw new HostkitError("manifest_invalid", {
    what: `${file} is not UTF-8 text`,
    where: `${file}:${decoded.line}`,
    why: `it is ${decoded.why}`,
    next: "save it as UTF-8",
  });
}
