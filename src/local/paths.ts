import { fileURLToPath } from "node:url";
import path from "node:path";

/** The folder that holds package.json, templates/ and dist/ (or src/, in a checkout). */
export const packageRoot: string = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)),
  "../..",
);

/** A path as written in a manifest or on the command line, made absolute. `~/` is the user's home. */
export function resolvePath(written: string, folder: string, home: string | undefined): string {
  if (written === "~" || written.startsWith("~/")) return path.join(home ?? "/", written.slice(1));
  return path.resolve(folder, written);
}

/** What errors of node:fs mean for a person. */
export function explainFileError(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return fileErrors[code] ?? (error instanceof Error ? error.message : String(error));
}

const fileErrors: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
  ENAMETOOLONG: "the name is too long",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "a file is in the way",
  EISDIR: "it is a folder, not a file",
  EACCES: "permission is denied",
  EPERM: "permission is denied",
  ELOOP: "its symbolic links go in a circle",
};
