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
  const made = `${file}.hostkit-new`;
  try {
    await rm(made, { force: true });
    const handle = await open(made, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(made, file);
  } catch (cause) {
    throw new HostkitError(
      "usage",
      { what: `${file} cannot be written`, why: explainFileError(cause) },
      { cause },
    );
  }
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
