import { z } from "zod";
import type { Secret } from "../manifest.ts";
import { closest, localPath, mapping, named, orEmpty, variableName } from "../values.ts";

const source = z.union([
  closest(
    mapping({
      env: variableName().meta({
        description: "Environment variable on this machine that holds the value.",
      }),
    }),
  ),
  closest(
    mapping({
      file: localPath("the path of a file").meta({
        description: "File on this machine whose content is the value.",
      }),
    }),
  ),
]);

export const secretsSectionSchema = named(
  variableName(),
  orEmpty(source),
  "names of secrets to {env} or {file}",
).meta({
  description:
    "Where the values of secrets come from; never the values themselves. Without the section, or for an entry left empty, the value is that of the environment variable with the secret's name, else that of its line in the dotenv file `.hostkit/secrets` beside the manifest. With the section every secret must be listed.",
  examples: [
    {
      SESSION_KEY: null,
      TLS_TOKEN: { file: "secrets/token" },
      S3_KEY: { env: "AWS_SECRET_ACCESS_KEY" },
    },
  ],
});

/** The file on this machine whose content is the value. */
export function fileOf({ from }: Secret): string | undefined {
  return from.kind === "file" ? from.path : undefined;
}

export type WrittenSecrets = z.output<typeof secretsSectionSchema>;

/** `uses`: every place where some section refers to a secret by its name. */
export function normalizeSecrets(
  written: WrittenSecrets | undefined,
  uses: readonly { readonly name: string; readonly purpose: string }[],
): Secret[] {
  const names = new Set([...Object.keys(written ?? {}), ...uses.map(({ name }) => name)]);
  return [...names].sort().map((name): Secret => {
    const entry = written?.[name];
    const own = uses.filter((use) => use.name === name);
    const isKeepers = own.length > 0 && own.every(({ purpose }) => purpose === "keeper");
    return { name, from: sourceOf(entry), ...(isKeepers ? { isKeepers } : {}) };
  });
}

function sourceOf(entry: WrittenSecrets[string] | undefined): Secret["from"] {
  if (entry === undefined || entry === null) return { kind: "default" };
  return "env" in entry ? { kind: "env", variable: entry.env } : { kind: "file", path: entry.file };
}
