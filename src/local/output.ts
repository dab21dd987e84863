import { readFile, writeFile } from "node:fs/promises";
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

/** Reads a JSON file that the user named. @throws HostkitError usage */
export async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? "it is not JSON" : explainFileError(cause);
    throw new HostkitError("usage", { what: `${file} cannot be read`, why }, { cause });
  }
}
