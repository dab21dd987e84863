import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { readDotenv } from "../../writers/dotenv.ts";
import { requireText } from "../decode-text.ts";
import { explainFileError } from "../paths.ts";
import type { OpenSource, SecretSource, SourceProblem, Surroundings } from "./source.ts";

/** Beside the manifest. */
const fileName = ".hostkit/secrets";

/** Lines NAME=… of a file beside the manifest. */
export const dotenvSource: SecretSource = {
  async open(surroundings) {
    try {
      return await openFile(surroundings);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return makeSource(new Map(), []);
      const message = `${fileName}: ${explainFileError(error)}`;
      return makeSource(new Map(), [{ severity: "error", message }]);
    }
  },
};

async function openFile({ folder }: Surroundings): Promise<OpenSource> {
  const file = path.join(folder, fileName);
  // A dollar sign in a secret is part of it.
  const { variables, mistakes } = readDotenv(requireText(await readFile(file)), { expand: false });
  const isOpen = ((await stat(file)).mode & 0o077) !== 0;
  return makeSource(new Map(variables.map(({ name, value }) => [name, value])), [
    ...mistakes.map(({ line, message }) => ({
      severity: "warning" as const,
      message,
      file: fileName,
      line,
    })),
    ...(isOpen
      ? [
          {
            severity: "warning" as const,
            message: `${fileName} can be read by other users of this machine: chmod 600 ${fileName}`,
          },
        ]
      : []),
  ]);
}

function makeSource(
  values: ReadonlyMap<string, string>,
  problems: readonly SourceProblem[],
): OpenSource {
  return {
    problems,
    async read({ name }) {
      const value = values.get(name);
      return value === undefined || value === ""
        ? { missing: `a line ${name}=… into ${fileName}` }
        : { value };
    },
  };
}
