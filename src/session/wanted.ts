import type { RestoreChoice } from "../facts/backups/restored-from.ts";
import type { System } from "../facts/system/system.ts";
import type { FactNeed } from "../facts/fact.ts";
import type { Connection } from "../ssh/connection.ts";
import { inspectHost } from "../host/inspect.ts";
import type { Inspection, SystemGuess } from "../host/inspect.ts";
import { readHostCache, writeHostCache } from "../local/host-cache.ts";
import { readLocalFiles } from "../local/inputs.ts";
import type { LocalFiles } from "../local/inputs.ts";
import { invalidManifest } from "../local/manifest.ts";
import { readSecrets } from "../local/secrets/read-secrets.ts";
import { readTemplates } from "../local/templates.ts";
import { formatProblem } from "../manifest/parse.ts";
import type { Scope } from "../plan/scope.ts";
import type { Resource } from "../resources/resource.ts";
import { resolveStack } from "../stack/resolve.ts";
import type { Context } from "./context.ts";
import { hideLogins } from "./hide-logins.ts";
import { newMarker } from "./project.ts";
import type { HostAccess, Project } from "./project.ts";

/** What should be on a host of this project, once its system is known. */
export type Wanted = (
  host: string,
  system: System,
  hostname: string,
  restoreFrom?: RestoreChoice,
) => Resource[];

/**
 * Reads all that a plan is made from: local files, secrets, templates.
 * @param adjust takes the local files as they are and gives them as they are to be used
 * @throws HostkitError manifest_invalid with every file and secret that is missing
 */
export async function readWanted(
  context: Context,
  project: Project,
  adjust: (files: LocalFiles) => LocalFiles = (files) => files,
): Promise<Wanted> {
  const { environment } = context.terminal;
  const { loaded, manifest } = project;
  const read = context.timings.begin("", "read files and secrets");
  const [files, { secrets, problems: missing }, templates] = await Promise.all([
    readLocalFiles(loaded, manifest, { home: environment["HOME"], now: Date.now() }),
    readSecrets(loaded, manifest, environment),
    readTemplates(),
  ]);
  read();
  hideSecrets(context, project, secrets, files.texts);
  const problems = [...loaded.parsed.problems, ...files.problems, ...missing].sort(
    (left, right) => left.line - right.line || left.column - right.column,
  );
  if (problems.some(({ severity }) => severity === "error"))
    throw invalidManifest(loaded, problems);
  for (const problem of problems) context.note(formatProblem(problem));
  const { blobs, texts, migrations, images } = adjust(files);
  return (host, system, hostname, restoreFrom) =>
    resolveStack({
      manifest,
      host,
      system,
      hostname,
      templates,
      blobs,
      texts,
      migrations,
      images,
      secrets,
      isLab: project.isLab,
      ...(restoreFrom === undefined ? {} : { restoreFrom }),
    });
}

/** What is asked of one look. */
export interface InspectionOptions {
  readonly alsoAsk?: readonly FactNeed[];
  readonly scope?: Scope;
  /** What the stack is to be brought back from. */
  readonly restoreFrom?: RestoreChoice;
}

/** Looks at a host, to which the connection may still be on its way: facts, plan, who holds the lock. */
export async function inspect(
  context: Context,
  project: Project,
  wanted: Wanted,
  opening: Connection | Promise<Connection>,
  host: HostAccess,
  { alsoAsk = [], scope, restoreFrom }: InspectionOptions = {},
): Promise<Inspection> {
  const { environment } = context.terminal;
  const { address, port } = host.route();
  const known = `${address}:${port}`;
  const guess = await readHostCache<SystemGuess>(environment, known);
  const inspection = await inspectHost(opening, {
    host: host.name,
    stack: project.manifest.stack,
    resolve: (system, hostname) => wanted(host.name, system, hostname, restoreFrom),
    ...(guess === undefined ? {} : { guess }),
    alsoAsk,
    ...(scope === undefined ? {} : { scope }),
    newMarker,
    mark: (what) => context.timings.begin(host.name, what),
  });
  const { distribution, version, architecture, hostname, clusters } = inspection.system;
  const seen: SystemGuess = {
    ...{ distribution, version, architecture, hostname },
    ...(clusters === undefined ? {} : { clusters }),
  };
  await writeHostCache(environment, known, seen);
  project.log.info("plan", {
    host: host.name,
    fingerprint: inspection.plan.fingerprint,
    changes: inspection.plan.changes.map(({ id, action, because }) => ({ id, action, because })),
  });
  return inspection;
}

/** From here on nothing that is printed or logged holds these values. */
function hideSecrets(
  context: Context,
  { manifest, loaded }: Project,
  secrets: ReadonlyMap<string, string | Uint8Array>,
  texts: ReadonlyMap<string, string>,
): void {
  context.redactor.spare(new Set(listStrings(manifest)));
  for (const value of secrets.values()) context.redactor.add(value);
  hideLogins(context.redactor, manifest.registries ?? [], secrets);
  for (const use of loaded.parsed.secrets) {
    if (!("path" in use)) continue;
    const text = texts.get(use.path) ?? "";
    const values = use.purpose === "environment" ? listValues(text) : [text];
    for (const value of values) context.redactor.add(value);
  }
}

/** Of an env file. Short values are settings (true, 8080, info), not secrets; hiding them would blacken everything. */
function listValues(text: string): string[] {
  return text
    .split("\n")
    .map((line) => /^\s*(?:export\s+)?[\w.]+\s*=\s*(["']?)(.*?)\1\s*$/.exec(line)?.[2] ?? "")
    .filter((value) => value.length >= 8);
}

/** Every text and every key of plain data. */
function listStrings(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...listStrings(inner)]);
}
