import { open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { HostkitError } from "../errors.ts";
import { explainFileError } from "./paths.ts";

/** Writes a file that the user named. @throws HostkitError usage */
export async function writeOutput(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    throw new HostkitError(
      "usage",
      { what: `${file} cannot be written`, why: explainFileError(cause) },
      { cause },
    );
  }
}

/**
 * Writes a file that only its owner may read, whole or not at all, and on the disk when this returns.
 * @throws HostkitError usage
 */
export async function writeSecretOutput(file: string, text: string): Promise<void> {
  try {
    await replaceFile(file, text, 0o600);
  } catch (cause) {
    throw new HostkitError(
      "usage",
      { what: `${file} cannot be written`, why: explainFileError(cause) },
      { cause },
    );
  }
}

/** Puts a file in place, whole or not at all, and on the disk when this returns. @throws the error of the file system */
export async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  const made = `${file}.hostkit-new`;
  await rm(made, { force: true });
  const handle = await open(made, "wx", mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(made, file);
}

/** Reads a JSON file that the user named. @throws HostkitError usage */
export async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? "it is not JSON" : explainFileError(cause);
    throw new HostkitError("usage", { what: `${file} cannot be read`, why }, { cause });
  }
}
