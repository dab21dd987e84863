import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { parse as parseDotenv } from "dotenv";
import type { Manifest, Secret } from "../manifest/manifest.ts";
import type { Pointer, Problem } from "../manifest/parse.ts";
import { problemAt } from "../manifest/parse.ts";
import type { LoadedManifest } from "./manifest.ts";
import { explainFileError, resolvePath } from "./paths.ts";

/** Where secrets without a source of their own are looked up, beside the manifest, after the environment. */
export const secretsFile = ".hostkit/secrets";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The values of every secret of a manifest. Missing ones are problems that say where the secret is asked for and how to
 * give it; values never appear in a problem.
 */
export async function readSecrets(
  loaded: LoadedManifest,
  manifest: Manifest,
  environment: Environment,
): Promise<{
  readonly secrets: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}> {
  const secrets = new Map<string, string>();
  const problems: Problem[] = [];
  const complain = (name: string, message: string) =>
    problems.push(problemAt(loaded.parsed, pointerOf(manifest, name), message));
  const { values: dotenv, warning } = await readDotenv(loaded, manifest);
  if (warning !== undefined) problems.push(warning);
  for (const secret of manifest.secrets) {
    const found = await readSecret(secret, loaded, environment, dotenv);
    if ("value" in found) secrets.set(secret.name, found.value);
    else complain(secret.name, found.problem);
  }
  return { secrets, problems };
}

async function readSecret(
  { name, from }: Secret,
  loaded: LoadedManifest,
  environment: Environment,
  dotenv: ReadonlyMap<string, string>,
): Promise<{ readonly value: string } | { readonly problem: string }> {
  if (from.kind === "file") {
    try {
      const file = resolvePath(from.path, loaded.folder, environment["HOME"]);
      const value = trimLine(await readFile(file, "utf8"));
      return value === "" ? { problem: `the file of the secret ${name} is empty` } : { value };
    } catch (error) {
      return {
        problem: `the secret ${name} cannot be read from ${from.path}: ${explainFileError(error)}`,
      };
    }
  }
  const variable = from.kind === "env" ? from.variable : name;
  const value = environment[variable] || (from.kind === "default" ? dotenv.get(name) : undefined);
  if (value !== undefined && value !== "") return { value };
  const line = from.kind === "default" ? `, or a line ${name}=… into ${secretsFile}` : "";
  return {
    problem: `the secret ${name} has no value: put it into the environment variable ${variable}${line}`,
  };
}

async function readDotenv(
  loaded: LoadedManifest,
  manifest: Manifest,
): Promise<{ readonly values: ReadonlyMap<string, string>; readonly warning?: Problem }> {
  const file = path.join(loaded.folder, secretsFile);
  if (manifest.secrets.every((secret) => secret.from.kind !== "default"))
    return { values: new Map() };
  try {
    const values = new Map(Object.entries(parseDotenv(await readFile(file))));
    const isOpen = ((await stat(file)).mode & 0o077) !== 0;
    if (!isOpen) return { values };
    const message = `${secretsFile} can be read by other users of this machine: chmod 600 ${secretsFile}`;
    return { values, warning: { ...problemAt(loaded.parsed, [], message), severity: "warning" } };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { values: new Map() };
    return {
      values: new Map(),
      warning: problemAt(loaded.parsed, [], `${secretsFile}: ${explainFileError(error)}`),
    };
  }
}

/** The end of line that an editor or `echo` adds is no part of a one-line secret; keys of several lines stay as they are. */
function trimLine(text: string): string {
  const line = text.replace(/\r?\n$/, "");
  return line.includes("\n") ? text : line;
}

/** Where the manifest asks for a secret. */
function pointerOf(manifest: Manifest, name: string): Pointer {
  for (const section of ["services", "web"] as const) {
    const user = manifest[section].find((service) => service.secrets.includes(name));
    if (user !== undefined) return [section, user.name, "secrets"];
  }
  for (const repository of manifest.backups?.repositories ?? []) {
    const at = ["backups", "repositories", repository.name];
    if (repository.passphrase === name) return [...at, "passphrase"];
    if (repository.kind === "s3" && repository.accessKey === name) return [...at, "access_key"];
    if (repository.kind === "s3" && repository.secretKey === name) return [...at, "secret_key"];
  }
  return ["secrets", name];
}
