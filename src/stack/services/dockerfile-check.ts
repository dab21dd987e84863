import { suggest } from "../../manifest/suggest.ts";
import { findImpossible } from "../../resources/containers/builder.ts";
import { globOf, isPattern, plainPath } from "./context-entries.ts";
import { listAskedSecrets, listFeatures } from "./dockerfile-features.ts";
import { findStage, listNeeded, readStages } from "./dockerfile-stages.ts";
import type { Stages } from "./dockerfile-stages.ts";
import { readSyntax } from "./dockerfile-syntax.ts";

/** What a build of this Dockerfile would certainly fail at, or, as a warning, is hardly meant. */
export interface DockerfileProblem {
  /** Of the Dockerfile, from 1; absent where the manifest itself is meant. */
  readonly line?: number;
  /** Key below `build` in the manifest, where there is no line. */
  readonly key?: "target" | "secrets" | "ssh";
  readonly message: string;
  readonly severity?: "warning";
  /** About a file that should be in the context. */
  readonly isCopy?: true;
}

interface BuildPlan {
  readonly target?: string;
  readonly args: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly key?: string;
}

/**
 * Looks for a target that is no stage, and for sources of COPY and ADD that the context does not have. Only what the build of the
 * target needs is looked at, and only what is certain: paths with variables that are not known are left out.
 * @param entries relative paths of all that is sent to the build, folders too, as `readTree` gives them
 */
export function checkDockerfile(
  text: string,
  entries: readonly string[],
  plan: BuildPlan,
): DockerfileProblem[] {
  const stages = readStages(text, plan.args);
  if (stages.all.length === 0) return [{ line: 1, message: "there is no FROM in it" }];
  if (findStage(stages.all, plan.target) === undefined) {
    const names = stages.all.map(({ name }) => name).filter((name) => name !== "");
    const meant = suggest(plan.target ?? "", names);
    return [
      {
        key: "target",
        message: `no stage "${plan.target}" in the Dockerfile${meant === undefined ? "" : `; did you mean "${meant}"?`} (${names.length === 0 ? "its stages have no names: FROM … AS NAME" : `its stages: ${names.join(", ")}`})`,
      },
    ];
  }
  return [
    ...findMissing(stages, entries, plan.target),
    ...findUnableFeatures(stages, plan.target),
    ...findSecretProblems(stages, plan),
  ].sort((left, right) => (left.line ?? 0) - (right.line ?? 0));
}

function findMissing(
  stages: Stages,
  entries: readonly string[],
  target: string | undefined,
): DockerfileProblem[] {
  const known = new Set(entries);
  return listNeeded(stages, target)
    .flatMap((number) => stages.all[number]?.uses ?? [])
    .flatMap(({ as, source, line }) =>
      as !== "copy" || source === undefined || isThere(source, entries, known)
        ? []
        : [{ line, message: `copies ${source}, which is not in the context`, isCopy: true }],
    );
}

/** What no builder can do that Docker gives its Engine. */
function findUnableFeatures(stages: Stages, target: string | undefined): DockerfileProblem[] {
  const syntax = readSyntax(stages.text);
  const features = listFeatures(stages, target);
  return findImpossible({ features, ...(syntax === undefined ? {} : { syntax }) }).map(
    ({ line, what, reason }) => ({ line, message: `${what}: ${reason}` }),
  );
}

/** What `RUN --mount=type=secret` and `type=ssh` ask for, and what the manifest gives. */
function findSecretProblems(stages: Stages, plan: BuildPlan): DockerfileProblem[] {
  const { target, secrets = [], key } = plan;
  // A syntax of somebody's own has other ways to ask.
  if (readSyntax(stages.text)?.kind === "own") return [];
  const asked = listAskedSecrets(stages, target);
  const hasKey = asked.some(({ type }) => type === "ssh");
  const names = new Set(asked.flatMap(({ id, type }) => (type === "secret" ? [id] : [])));
  return [
    ...asked.flatMap(({ id, type, line, isRequired }): DockerfileProblem[] => {
      const isGiven = type === "ssh" ? key !== undefined : secrets.includes(id);
      if (isGiven) return [];
      const message = type === "ssh" ? noKey : missingSecret(id);
      return [{ line, message, ...(isRequired ? {} : { severity: "warning" }) }];
    }),
    ...secrets
      .filter((name) => !names.has(name))
      .map((name): DockerfileProblem => ({
        key: "secrets",
        severity: "warning",
        message: `the Dockerfile never asks for ${name}: RUN --mount=type=secret,id=${name}`,
      })),
    ...(key === undefined || hasKey
      ? []
      : [
          {
            key: "ssh",
            severity: "warning",
            message: "the Dockerfile never asks for a key: RUN --mount=type=ssh",
          } satisfies DockerfileProblem,
        ]),
  ];
}

const noKey =
  "asks for an SSH key (--mount=type=ssh): name the secret that holds one: build: {ssh: DEPLOY_KEY}";

function missingSecret(id: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(id)
    ? `asks for the secret ${id}: list it in the manifest: build: {secrets: [${id}]}`
    : `asks for the secret "${id}", which is no name that a secret can have here: letters, digits and "_"`;
}

function isThere(source: string, entries: readonly string[], known: ReadonlySet<string>): boolean {
  const path = plainPath(source);
  const parts = path.split("/");
  if (path === "" || known.has(path)) return true;
  if (isPattern(path)) {
    const pattern = globOf(path);
    return pattern === undefined || entries.some((entry) => pattern.test(entry));
  }
  // Files of an ignored folder that "!" takes back, and links to folders, are there without their folder's own entry.
  return (
    entries.some((entry) => entry.startsWith(`${path}/`)) ||
    parts.some((_, index) => index > 0 && isLeaf(parts.slice(0, index).join("/"), entries, known))
  );
}

/** An entry with nothing below: perhaps a link to a folder. */
function isLeaf(path: string, entries: readonly string[], known: ReadonlySet<string>): boolean {
  return known.has(path) && !entries.some((entry) => entry.startsWith(`${path}/`));
}
