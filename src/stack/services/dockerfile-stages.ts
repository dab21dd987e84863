import { DockerfileParser, Keyword } from "dockerfile-ast";
import type { Copy, Instruction, JSONInstruction } from "dockerfile-ast";

type Range = ReturnType<Instruction["getRange"]>;

/** What an instruction takes from the build context. */
export interface ContextUse {
  /** Of the Dockerfile, from 1. */
  readonly line: number;
  readonly as: "copy" | "mount";
  /** As written; "" is the whole context. */
  readonly written: string;
  /** With its variables filled in; absent: one of them is not known here. */
  readonly source?: string;
}

/** Where a Dockerfile names an image that is none of its stages. */
export interface ImageUse {
  readonly image: string;
  /** Of the name in the text; lines and characters from 0. */
  readonly range: Range;
}

/** One `FROM` and what follows it. */
export interface Stage {
  /** Lower case; "" without one. */
  readonly name: string;
  readonly line: number;
  /** The image it begins with, with variables filled in; absent: not known, or a stage. */
  readonly base?: string;
  /** Images besides, with the text of the Dockerfile that names each. */
  readonly images: ImageUse[];
  /** Numbers of the stages that it is made from. */
  readonly needs: Set<number>;
  readonly uses: ContextUse[];
  readonly instructions: Instruction[];
  readonly variables: Map<string, string | undefined>;
}

/** A Dockerfile, as far as it can be known without building it. */
export interface Stages {
  readonly text: string;
  readonly all: readonly Stage[];
  /** `ARG` before the first `FROM`. */
  readonly globals: readonly Instruction[];
  /** A stage begins with what only the build knows: any of the others could be meant. */
  readonly isUncertain: boolean;
}

/** Reads the stages of a Dockerfile. @param args build arguments of the manifest; they win over defaults */
export function readStages(text: string, args: Readonly<Record<string, string>>): Stages {
  const all: Stage[] = [];
  const globals: Instruction[] = [];
  /** Before the first FROM; stages see them only where they name them again. */
  const known = new Map<string, string | undefined>();
  let isUncertain = false;
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    const keyword = instruction.getKeyword();
    const stage = all.at(-1);
    if (keyword === Keyword.FROM) {
      const begun = beginStage(instruction, all, known);
      if (begun.base === undefined && begun.needs.size === 0) isUncertain = true;
      all.push(begun);
      continue;
    }
    stage?.instructions.push(instruction);
    if (keyword === Keyword.ARG) {
      declare(instruction, stage?.variables ?? known, known, args);
      if (stage === undefined) globals.push(instruction);
    } else if (stage !== undefined) readInstruction(instruction, stage, all);
  }
  return { text, all, globals, isUncertain };
}

/** The Dockerfile with other names for images that are none of its stages. */
export function renameImages(
  { text, all }: Stages,
  rename: (image: string) => string | undefined,
): string {
  const lines = text.split("\n");
  const uses = all.flatMap(({ images }) => images).toSorted(byPlace);
  for (const { image, range } of uses.toReversed()) {
    const name = rename(image);
    const { start, end } = range;
    const line = lines[start.line];
    if (name === undefined || line === undefined || start.line !== end.line) continue;
    lines[start.line] = line.slice(0, start.character) + name + line.slice(end.character);
  }
  return lines.join("\n");
}

function byPlace({ range: left }: ImageUse, { range: right }: ImageUse): number {
  return left.start.line - right.start.line || left.start.character - right.start.character;
}

/** The stage that a target means: by name, without regard to case, or by number; the last one without a target. */
export function findStage(stages: readonly Stage[], target?: string): number | undefined {
  if (target === undefined) return stages.length === 0 ? undefined : stages.length - 1;
  const named = stages.findIndex(({ name }) => name === target.toLowerCase());
  if (named !== -1) return named;
  return /^\d+$/.test(target) && Number(target) < stages.length ? Number(target) : undefined;
}

/** The numbers of all stages that the build of a target goes through, in their order. */
export function listNeeded({ all, isUncertain }: Stages, target?: string): number[] {
  const built = findStage(all, target);
  if (built === undefined) return [];
  if (isUncertain) return all.map((_, number) => number).slice(0, built + 1);
  const found = new Set<number>();
  const walk = (number: number): void => {
    if (found.has(number)) return;
    found.add(number);
    for (const next of all[number]?.needs ?? []) walk(next);
  };
  walk(built);
  return [...found].sort((left, right) => left - right);
}

/**
 * What a build of the target depends on of the Dockerfile's text: without the stages that it does not go through, so that a change of
 * another service's stage is none of this one.
 */
export function identityOf(stages: Stages, target?: string): string {
  const needed = listNeeded(stages, target);
  const first = stages.globals[0] ?? stages.all[0]?.instructions[0];
  if (needed.length === 0 || first === undefined) return stages.text;
  const head = stages.text.split(/\r?\n/).slice(0, lineOf(first) - 1);
  const parts = [
    ...stages.globals,
    ...needed.flatMap((number) => stages.all[number]?.instructions ?? []),
  ].map((instruction) => textOf(instruction, stages.text));
  return [...head, ...parts].join("\n");
}

/** An instruction as it stands in the Dockerfile, flags, here-documents and all. */
export function textOf(instruction: Instruction, text: string): string {
  const { start, end } = instruction.getRange();
  return text
    .split(/\r?\n/)
    .slice(start.line, end.line + 1)
    .join("\n");
}

/** The line on which an instruction begins, from 1. */
export function lineOf(instruction: Instruction): number {
  return instruction.getRange().start.line + 1;
}

/** An instruction itself, or the one that `ONBUILD` keeps for later. */
export function triggerOf(instruction: Instruction): Instruction {
  const trigger =
    "getTriggerInstruction" in instruction
      ? (instruction as { getTriggerInstruction(): Instruction | null }).getTriggerInstruction()
      : null;
  return trigger ?? instruction;
}

/** The options of a `--mount=type=secret,id=A`, keys in lower case; `type` is there always. */
export function mountsOf(instruction: Instruction): ReadonlyMap<string, string>[] {
  if (instruction.getKeyword() !== Keyword.RUN) return [];
  return (instruction as JSONInstruction)
    .getFlags()
    .filter((flag) => flag.getName() === "mount")
    .map((flag) => {
      const pairs = (flag.getValue() ?? "").split(",").map((part) => {
        const [key = "", ...value] = part.split("=");
        return [key.trim().toLowerCase(), unquote(value.join("="))] as const;
      });
      return new Map([["type", "bind"], ...pairs]);
    });
}

function readInstruction(instruction: Instruction, stage: Stage, all: readonly Stage[]): void {
  const keyword = instruction.getKeyword();
  if (keyword === Keyword.ENV) setVariables(instruction, stage.variables);
  else if (keyword === Keyword.COPY || keyword === Keyword.ADD)
    addCopy(instruction as Copy, stage, all);
  else if (keyword === Keyword.RUN) addMounts(instruction, stage, all);
  else if (keyword === Keyword.ONBUILD) readTrigger(triggerOf(instruction), stage, all);
}

/** What `ONBUILD` keeps is done in the stages that begin with this one, and needs the same. */
function readTrigger(trigger: Instruction, stage: Stage, all: readonly Stage[]): void {
  if (trigger.getKeyword() !== Keyword.ONBUILD) readInstruction(trigger, stage, all);
}

function need(
  stage: Stage,
  stages: readonly Stage[],
  name: string,
  range: Range | null | undefined,
): void {
  const number = findStage(stages.slice(0, -1), name);
  if (number !== undefined) stage.needs.add(number);
  else if (range && !name.includes("$")) stage.images.push({ image: name, range });
}

function beginStage(
  from: Instruction,
  stages: readonly Stage[],
  globals: ReadonlyMap<string, string | undefined>,
): Stage {
  const words = from.getArguments().map((word) => word.getValue());
  const plain = words.filter((word) => !word.startsWith("--"));
  const place = from.getArguments().find((word) => !word.getValue().startsWith("--"));
  const [written = "", as = "", name = ""] = plain;
  const image = expand(written, globals);
  const number =
    image === undefined
      ? -1
      : stages.findLastIndex((each) => each.name !== "" && each.name === image.toLowerCase());
  return {
    name: as.toUpperCase() === "AS" ? name.toLowerCase() : "",
    line: lineOf(from),
    ...(number === -1 && image !== undefined ? { base: image } : {}),
    images:
      number === -1 && image !== undefined && place !== undefined
        ? [{ image, range: place.getRange() }]
        : [],
    needs: new Set(number === -1 ? [] : [number]),
    uses: [],
    instructions: [from],
    variables: new Map(number === -1 ? [] : stages[number]?.variables),
  };
}

/** `ARG name`, `ARG name=default`, several in one line; a value of the manifest wins. */
function declare(
  instruction: Instruction,
  into: Map<string, string | undefined>,
  globals: ReadonlyMap<string, string | undefined>,
  args: Readonly<Record<string, string>>,
): void {
  for (const word of instruction.getArguments()) {
    const [name = "", ...rest] = word.getValue().split("=");
    const value = rest.length === 0 ? globals.get(name) : expand(unquote(rest.join("=")), into);
    into.set(name, Object.hasOwn(args, name) ? args[name] : value);
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
export function expand(
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
    need(stage, stages, from.getValue() ?? "", from.getValueRange());
    return;
  }
  // What stands below the line that begins here-documents is their text.
  const lastLine = copy.getHeredocs().at(-1)?.getStartRange().end.line ?? Infinity;
  const written = copy.getArguments().filter((word) => word.getRange().start.line <= lastLine);
  const words = listOf(copy) ?? written.map((word) => unquote(word.getValue()));
  const isEscaped = /\\(?!\s*\n)/.test(copy.getRawArgumentsContent() ?? "");
  for (const source of words.slice(0, -1)) {
    const isElsewhere = /^(?:https?|git|ssh):\/\/|^git@|^<</.test(source);
    if (isElsewhere) continue;
    const use: ContextUse = { line: lineOf(copy), as: "copy", written: source };
    if (isEscaped) stage.uses.push(use);
    else addUse(stage, use);
  }
}

function addMounts(run: Instruction, stage: Stage, stages: readonly Stage[]): void {
  const flags = (run as JSONInstruction).getFlags().filter((flag) => flag.getName() === "mount");
  for (const [index, mount] of mountsOf(run).entries()) {
    const from = mount.get("from");
    const option = flags[index]?.getOptions().find((one) => one.getName() === "from");
    if (from !== undefined) need(stage, stages, from, option?.getValueRange());
    else if (mount.get("type") === "bind") {
      const written = mount.get("source") ?? mount.get("src") ?? "";
      addUse(stage, { line: lineOf(run), as: "mount", written });
    }
  }
}

function addUse(stage: Stage, use: ContextUse): void {
  const source = expand(use.written, stage.variables);
  stage.uses.push({ ...use, ...(source === undefined ? {} : { source }) });
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
