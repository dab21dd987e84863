import type { Manifest } from "../../manifest/manifest.ts";
import type { Pointer, Problem } from "../../manifest/parse.ts";
import { problemAt } from "../../manifest/parse.ts";
import { namedSecrets } from "../../manifest/secrets.ts";
import { servicesOf } from "../../manifest/services.ts";
import { pgbackrestValue } from "../../writers/pgbackrest.ts";
import { reasonToRefuse } from "../../writers/written.ts";
import type { LoadedManifest } from "../manifest.ts";
import type { SecretValue, SourceProblem, Surroundings } from "./source.ts";
import { readSources } from "./sources.ts";

type NamedUse = ReturnType<typeof namedSecrets>[number];

/** CREDENTIAL_SIZE_MAX in systemd's source. */
const mostBytes = 1024 * 1024;

/** MaxSecretSize in BuildKit's source. */
const mostOfBuild = 500 * 1024;

/**
 * The values of every secret of a manifest but the keepers', which no host gets. Missing ones are problems that say where the secret is
 * asked for and how to give it; values never appear in a problem.
 * @param only these and no others, keepers' or not
 */
export async function readSecrets(
  loaded: LoadedManifest,
  manifest: Manifest,
  environment: Surroundings["environment"],
  only?: ReadonlySet<string>,
): Promise<{
  readonly secrets: ReadonlyMap<string, SecretValue>;
  readonly problems: readonly Problem[];
}> {
  const { folder, parsed } = loaded;
  const asked = manifest.secrets.filter(({ name, isKeepers }) =>
    only === undefined ? isKeepers !== true : only.has(name),
  );
  const { answers, problems: found } = await readSources(asked, { folder, environment });
  const uses = namedSecrets(parsed.secrets);
  const secrets = new Map<string, SecretValue>();
  const problems = found.map((problem) => locateProblem(loaded, problem));
  for (const [{ name }, answer] of answers) {
    if ("value" in answer) {
      secrets.set(name, answer.value);
      continue;
    }
    const at = uses.find((use) => use.name === name)?.pointer ?? ["secrets", name];
    const message =
      "problem" in answer
        ? answer.problem
        : `the secret ${name} has no value: put ${answer.missing}`;
    problems.push(problemAt(parsed, at, message));
  }
  for (const use of uses) {
    const value = secrets.get(use.name);
    const message = value === undefined ? undefined : findUnfit(manifest, use, value);
    if (message !== undefined) problems.push(problemAt(parsed, use.pointer, message));
  }
  return { secrets, problems };
}

function locateProblem({ parsed }: LoadedManifest, problem: SourceProblem): Problem {
  const { file, line, ...rest } = problem;
  const place = file === undefined ? {} : { file, line: line ?? 1, column: 1 };
  return { ...problemAt(parsed, [], rest.message), ...rest, ...place };
}

/** Why whoever gets the secret could not take this value. */
function findUnfit(manifest: Manifest, use: NamedUse, value: SecretValue): string | undefined {
  const { name, purpose, pointer } = use;
  if (purpose === "repository" || purpose === "keeper") {
    if (typeof value !== "string" || /[\n\r\0]/.test(value.trim()))
      return `the secret ${name} must be one line of UTF-8 text: it is a repository's`;
    const reason = isOfPostgres(manifest, pointer)
      ? reasonToRefuse(() => pgbackrestValue(value.trim()))
      : undefined;
    return reason === undefined
      ? undefined
      : `the secret ${name} does not fit into pgBackRest's configuration: ${reason}`;
  }
  if (purpose === "registry")
    return /[\n\r\0]/.test(
      typeof value === "string" ? value : Buffer.from(value).toString("latin1"),
    )
      ? `the secret ${name} must be one line: it is a registry's`
      : undefined;
  const bytes = Buffer.byteLength(value);
  if (purpose === "build" && bytes > mostOfBuild)
    return `the secret ${name} has ${bytes} bytes; BuildKit hands ${mostOfBuild} to a build at most`;
  if (bytes <= mostBytes || !isOfNative(manifest, pointer)) return undefined;
  return `the secret ${name} has ${bytes} bytes; systemd hands ${mostBytes} to a service at most, all together`;
}

function isOfPostgres({ backups }: Manifest, pointer: Pointer): boolean {
  return backups?.postgres?.repositories.includes(String(pointer[2])) === true;
}

function isOfNative(manifest: Manifest, [section, name]: Pointer): boolean {
  return servicesOf(manifest).some(
    (one) => one.section === section && one.name === name && one.runtime === "native",
  );
}
