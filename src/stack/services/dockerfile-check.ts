import { DockerfileParser, Keyword } from "dockerfile-ast";
import type { Copy, Instruction } from "dockerfile-ast";
import { suggest } from "../../manifest/suggest.ts";

/** What a build of this Dockerfile would certainly fail at. */
export interface DockerfileProblem {
  /** Of the Dockerfile, from 1; absent where the manifest's `target` is meant. */
  readonly line?: number;
  readonly message: string;
}

interface BuildPlan {
  readonly target?: string;
  readonly args: Readonly<Record<string, string>>;
}

interface Stage {
  readonly name: string;
  /** Numbers of the stages that it is made from. */
  readonly needs: Set<number>;
  readonly copies: { readonly source: string; readonly line: number }[];
  readonly variables: Map<string, string | undefined>;
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
  if (stages.length === 0) return [{ line: 1, message: "there is no FROM in it" }];
  const built = plan.target === undefined ? stages.length - 1 : findStage(stages, plan.target);
  if (built === undefined) {
    const names = stages.map(({ name }) => name).filter((name) => name !== "");
    const meant = suggest(plan.target ?? "", names);
    return [
      {
        message: `no stage "${plan.target}" in the Dockerfile${meant === undefined ? "" : `; did you mean "${meant}"?`} (${names.length === 0 ? "its stages have no names: FROM … AS NAME" : `its stages: ${names.join(", ")}`})`,
      },
    ];
  }
  const known = new Set(entries);
  return [...needed(stages, built)]
    .sort((left, right) => left - right)
    .flatMap((number) => stages[number]?.copies ?? [])
    .filter(({ source }) => !isThere(source, entries, known))
    .map(({ source, line }) => ({
      line,
      message: `copies ${source}, which is not in the context`,
    }));
}

/** By name, without regard to case, or by number. */
function findStage(stages: readonly Stage[], target: string): number | undefined {
  const named = stages.findIndex(({ name }) => name === target.toLowerCase());
  if (named !== -1) return named;
  return /^\d+$/.test(target) && Number(target) < stages.length ? Number(target) : undefined;
}

function needed(stages: readonly Stage[], from: number, found = new Set<number>()): Set<number> {
  if (found.has(from)) return found;
  found.add(from);
  for (const next of stages[from]?.needs ?? []) needed(stages, next, found);
  return found;
}

function readStages(text: string, args: BuildPlan["args"]): Stage[] {
  const stages: Stage[] = [];
  /** Before the first FROM; stages see them only where they name them again. */
  const global = new Map<string, string | undefined>();
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    const keyword = instruction.getKeyword();
    const stage = stages.at(-1);
    if (keyword === Keyword.FROM) stages.push(beginStage(instruction, stages, global));
    else if (keyword === Keyword.ARG)
      declare(instruction, stage?.variables ?? global, global, args);
    else if (stage === undefined) continue;
    else if (keyword === Keyword.ENV) setVariables(instruction, stage.variables);
    else if (keyword === Keyword.COPY || keyword === Keyword.ADD)
      addCopy(instruction as Copy, stage, stages);
    else if (keyword === Keyword.RUN) {
      for (const [, name = ""] of textOf(instruction, text).matchAll(
        /--mount=\S*\bfrom=([^,\s]+)/g,
      ))
        need(stage, stages, name);
    }
  }
  return stages;
}

/** An instruction as it stands in the Dockerfile, flags and all. */
function textOf(instruction: Instruction, text: string): string {
  const { start, end } = instruction.getRange();
  return text
    .split(/\r?\n/)
    .slice(start.line, end.line + 1)
    .join("\n");
}

function need(stage: Stage, stages: readonly Stage[], name: string): void {
  const number = findStage(stages.slice(0, -1), name);
  if (number !== undefined) stage.needs.add(number);
}

function beginStage(
  from: Instruction,
  stages: readonly Stage[],
  global: ReadonlyMap<string, string | undefined>,
): Stage {
  const words = from.getArguments().map((word) => word.getValue());
  const plain = words.filter((word) => !word.startsWith("--"));
  const [base = "", as = "", name = ""] = plain;
  const image = expand(base, global);
  const number =
    image === undefined
      ? undefined
      : stages.findLastIndex((each) => each.name !== "" && each.name === image.toLowerCase());
  const parent = number === undefined || number === -1 ? undefined : number;
  return {
    name: as.toUpperCase() === "AS" ? name.toLowerCase() : "",
    needs: new Set(parent === undefined ? [] : [parent]),
    copies: [],
    variables: new Map(parent === undefined ? [] : stages[parent]?.variables),
  };
}

/** `ARG name`, `ARG name=default`, several in one line; a value of the manifest wins. */
function declare(
  instruction: Instruction,
  into: Map<string, string | undefined>,
  global: ReadonlyMap<string, string | undefined>,
  args: BuildPlan["args"],
): void {
  for (const word of instruction.getArguments()) {
    const [name = "", ...rest] = word.getValue().split("=");
    const value = rest.length === 0 ? global.get(name) : expand(unquote(rest.join("=")), into);
    into.set(name, args[name] ?? value);
  }
}

/** `ENV a=b c=d` and `ENV a b c`. */
function setVariables(instruction: Instruction, into: Map<string, string | undefined>): void {
  const words = instruction.getArguments().map((word) => word.getValue());
  const [first = ""] = words;
  const pairs = first.includes("=")
    ? words.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)])
    : [[first, words.slice(1).join(" ")]];
  for (const [name = "", value = ""] of pairs) into.set(name, expand(unquote(value), into));
}

function unquote(text: string): string {
  return text.replace(/^(["'])(.*)\1$/s, "$2");
}

/** A text with its variables filled in; undefined where one of them is not known, or written in a way that needs a shell. */
function expand(
  text: string,
  variables: ReadonlyMap<string, string | undefined>,
): string | undefined {
  let isKnown = true;
  const filled = text.replaceAll(
    /\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))/g,
    (_, braced: string | undefined, fallback: string | undefined, plain: string | undefined) => {
      const value = variables.get(braced ?? plain ?? "") ?? fallback;
      if (value === undefined) isKnown = false;
      return value ?? "";
    },
  );
  return isKnown && !filled.includes("$") ? filled : undefined;
}

function addCopy(copy: Copy, stage: Stage, stages: readonly Stage[]): void {
  const from = copy.getFlags().find((flag) => flag.getName() === "from");
  if (from !== undefined) {
    need(stage, stages, from.getValue() ?? "");
    return;
  }
  if (copy.getHeredocs().length > 0) return;
  const words = listOf(copy) ?? copy.getArguments().map((word) => unquote(word.getValue()));
  const line = copy.getRange().start.line + 1;
  for (const written of words.slice(0, -1)) {
    const source = expand(written, stage.variables);
    const isRemote = /^(?:https?|git|ssh):\/\/|^git@/.test(written);
    if (source !== undefined && !isRemote && !written.includes("\\"))
      stage.copies.push({ source, line });
  }
}

/** `["a b", "/c"]`: the library's own reading loses blanks. */
function listOf(copy: Copy): string[] | undefined {
  const text = copy.getRawArgumentsContent() ?? "";
  const start = text.indexOf("[");
  if (start === -1 || copy.getJSONStrings().length === 0) return undefined;
  try {
    const words: unknown = JSON.parse(text.slice(start));
    return Array.isArray(words) ? words.map(String) : undefined;
  } catch {
    return undefined;
  }
}

function isThere(source: string, entries: readonly string[], known: ReadonlySet<string>): boolean {
  const parts: string[] = [];
  for (const part of source.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  const path = parts.join("/");
  if (path === "" || known.has(path)) return true;
  if (/[*?[]/.test(path)) {
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

/** Go's filepath.Match; `**` of newer builders too. */
function globOf(pattern: string): RegExp | undefined {
  const escaped = pattern.replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`);
  try {
    return new RegExp(
      `^${escaped
        .replaceAll(/\*\*\/?/g, "\u0000")
        .replaceAll("*", "[^/]*")
        .replaceAll("?", "[^/]")
        .replaceAll("\u0000", ".*")}$`,
    );
  } catch {
    return undefined;
  }
}
