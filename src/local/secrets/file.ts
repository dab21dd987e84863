import { readFile } from "node:fs/promises";
import { fileOf } from "../../manifest/sections/secrets.ts";
import { decodeText } from "../decode-text.ts";
import { explainFileError, resolvePath } from "../paths.ts";
import type { SecretSource, SecretValue } from "./source.ts";

/** The content of a file that the manifest names. */
export const fileSource: SecretSource = {
  open: async ({ folder, environment }) => ({
    problems: [],
    async read(secret) {
      const { name } = secret;
      const written = fileOf(secret) ?? "";
      try {
        const file = resolvePath(written, folder, environment["HOME"]);
        const value = valueOf(await readFile(file));
        return value.length === 0
          ? { problem: `the file of the secret ${name} is empty` }
          : { value };
      } catch (error) {
        return {
          problem: `the secret ${name} cannot be read from ${written}: ${explainFileError(error)}`,
        };
      }
    },
  }),
};

/**
 * The end of line that an editor or `echo` adds is no part of a one-line text; texts of several lines, and bytes that are no text, stay
 * as they are.
 */
function valueOf(bytes: Uint8Array): SecretValue {
  const decoded = decodeText(bytes);
  if (!("text" in decoded)) return bytes;
  const line = decoded.text.replace(/\r?\n$/, "");
  return line.includes("\n") ? decoded.text : line;
}
