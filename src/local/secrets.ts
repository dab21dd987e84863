import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { Manifest, Secret } from "../manifest/manifest.ts";
import type { Pointer, Problem } from "../manifest/parse.ts";
import { problemAt } from "../manifest/parse.ts";
import { servicesOf } from "../manifest/services.ts";
import { readDotenv as parseDotenv } from "../writers/dotenv.ts";
import { pgbackrestValue } from "../writers/pgbackrest.ts";
import { reasonToRefuse } from "../writers/written.ts";
import { decodeText, requireText } from "./decode-text.ts";
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
  readonly secrets: ReadonlyMap<string, string | Uint8Array>;
  readonly problems: readonly Problem[];
}> {
  const secrets = new Map<string, string | Uint8Array>();
  const problems: Problem[] = [];
  const complain = (name: string, message: string) =>
    problems.push(problemAt(loaded.parsed, pointerOf(manifest, name), message));
  const { values: dotenv, warnings } = await readDotenv(loaded, manifest);
  problems.push(...warnings);
  for (const secret of manifest.secrets) {
    const found = await readSecret(secret, loaded, environment, dotenv);
    if ("value" in found) secrets.set(secret.name, found.value);
    else complain(secret.name, found.problem);
  }
  for (const name of repositorySecrets(manifest)) {
    const value = secrets.get(name);
    if (value === undefined || isOneLine(value)) continue;
    complain(name, `the secret ${name} must be one line of UTF-8 text: it is a repository's`);
  }
  for (const { name, at, bytes } of nativeCredentials(manifest, secrets))
    problems.push(
      problemAt(
        loaded.parsed,
        at,
        `the secret ${name} has ${bytes} bytes; systemd hands 1048576 to a service at most, all together`,
      ),
    );
  for (const name of pgbackrestSecrets(manifest)) {
    const value = secrets.get(name);
    if (typeof value !== "string" || !isOneLine(value)) continue;
    const reason = reasonToRefuse(() => pgbackrestValue(value.trim()));
    if (reason !== undefined)
      complain(name, `the secret ${name} does not fit into pgBackRest's configuration: ${reason}`);
  }
  return { secrets, problems };
}

function isOneLine(value: string | Uint8Array): boolean {
  return typeof value === "string" && !/[\n\r\0]/.test(value.trim());
}

/** Secrets of native services that are too large for a credential of systemd (CREDENTIAL_SIZE_MAX in its source). */
function nativeCredentials(
  manifest: Manifest,
  secrets: ReadonlyMap<string, string | Uint8Array>,
): { readonly name: string; readonly at: Pointer; readonly bytes: number }[] {
  return servicesOf(manifest)
    .filter(({ runtime }) => runtime === "native")
    .flatMap((service) =>
      service.secrets
        .map((name) => ({ name, bytes: Buffer.byteLength(secrets.get(name) ?? "") }))
        .filter(({ bytes }) => bytes > 1024 * 1024)
        .map((large) => ({ ...large, at: [service.section, service.name, "secrets"] })),
    );
}

/** The secrets of repositories: passphrases and keys of S3. */
function repositorySecrets({ backups }: Manifest): string[] {
  return (backups?.repositories ?? []).flatMap((repository) => [
    ...(repository.passphrase === undefined ? [] : [repository.passphrase]),
    ...(repository.kind === "s3" ? [repository.accessKey, repository.secretKey] : []),
  ]);
}

/** The secrets that stand in pgBackRest's configuration. */
function pgbackrestSecrets({ backups }: Manifest): string[] {
  const used = backups?.repositories.filter((one) =>
    backups.postgres?.repositories.includes(one.name),
  );
  return (used ?? []).flatMap((repository) => [
    ...(repository.passphrase === undefined ? [] : [repository.passphrase]),
    ...(repository.kind === "s3" ? [repository.accessKey, repository.secretKey] : []),
  ]);
}

async function readSecret(
  { name, from }: Secret,
  loaded: LoadedManifest,
  environment: Environment,
  dotenv: ReadonlyMap<string, string>,
): Promise<{ readonly value: string | Uint8Array } | { readonly problem: string }> {
  if (from.kind === "file") {
    try {
      const file = resolvePath(from.path, loaded.folder, environment["HOME"]);
      const value = valueOf(await readFile(file));
      return value.length === 0
        ? { problem: `the file of the secret ${name} is empty` }
        : { value };
    } catch (error) {
      return {
        problem: `the secret ${name} cannot be read from ${from.path}: ${explainFileError(error)}`,
      };
    }
  }
  const variable = from.kind === "env" ? from.variable : name;
  const value = environment[variable] || (from.kind === "default" ? dotenv.get(name) : undefined);
  // Node has put this character in the place of bytes that are not UTF-8.
  if (value?.includes("\uFFFD") === true)
    return {
      problem: `the value of the secret ${name} is not UTF-8 text: give it as a file (secrets: { ${name}: { file: … } })`,
    };
  if (value !== undefined && value !== "") return { value };
  const line = from.kind === "default" ? `, or a line ${name}=… into ${secretsFile}` : "";
  return {
    problem: `the secret ${name} has no value: put it into the environment variable ${variable}${line}`,
  };
}

async function readDotenv(
  loaded: LoadedManifest,
  manifest: Manifest,
): Promise<{
  readonly values: ReadonlyMap<string, string>;
  readonly warnings: readonly Problem[];
}> {
  const file = path.join(loaded.folder, secretsFile);
  if (manifest.secrets.every((secret) => secret.from.kind !== "default"))
    return { values: new Map(), warnings: [] };
  try {
    // A dollar sign in a secret is part of it.
    const { variables, mistakes } = parseDotenv(requireText(await readFile(file)), {
      expand: false,
    });
    const values = new Map(variables.map(({ name, value }) => [name, value]));
    const isOpen = ((await stat(file)).mode & 0o077) !== 0;
    const warn = (message: string): Problem => ({
      ...problemAt(loaded.parsed, [], message),
      severity: "warning",
    });
    const warnings = [
      ...mistakes.map(({ line, message }) => ({
        ...warn(message),
        file: secretsFile,
        line,
        column: 1,
      })),
      ...(isOpen
        ? [
            warn(
              `${secretsFile} can be read by other users of this machine: chmod 600 ${secretsFile}`,
            ),
          ]
        : []),
    ];
    return { values, warnings };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      return { values: new Map(), warnings: [] };
    const message = `${secretsFile}: ${explainFileError(error)}`;
    return { values: new Map(), warnings: [problemAt(loaded.parsed, [], message)] };
  }
}

/**
 * The end of line that an editor or `echo` adds is no part of a one-line text; texts of several lines, and bytes that are no text, stay
 * as they are.
 */
function valueOf(bytes: Uint8Array): string | Uint8Array {
  const decoded = decodeText(bytes);
  if (!("text" in decoded)) return bytes;
  const line = decoded.text.replace(/\r?\n$/, "");
  return line.includes("\n") ? decoded.text : line;
}

/** Where the manifest asks for a secret. */
function pointerOf(manifest: Manifest, name: string): Pointer {
  const user = servicesOf(manifest).find(({ secrets }) => secrets.includes(name));
  if (user !== undefined) return [user.section, user.name, "secrets"];
  for (const repository of manifest.backups?.repositories ?? []) {
    const at = ["backups", "repositories", repository.name];
    if (repository.passphrase === name) return [...at, "passphrase"];
    if (repository.kind === "s3" && repository.accessKey === name) return [...at, "access_key"];
    if (repository.kind === "s3" && repository.secretKey === name) return [...at, "secret_key"];
  }
  return ["secrets", name];
}
