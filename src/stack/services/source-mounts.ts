import { DockerfileParser } from "dockerfile-ast";
import type { Copy, Instruction } from "dockerfile-ast";

/** A file or folder of a build context that can stand in a container in the place of the image's copy of it. */
export interface SourceMount {
  /** Relative to the context. */
  readonly source: string;
  /** Absolute, in the container. */
  readonly path: string;
}

/** More would make the command line of the container unreadable; such an image is built anew instead. */
const mostMounts = 64;

interface Stage {
  name: string;
  /** Absent: the base image decides. */
  workdir: string | undefined;
  mounts: SourceMount[];
}

/**
 * Which parts of a build context an image holds just as they are: what the last stage copies in after its last RUN.
 * A container with these mounted over the image's own is what a new build would give, as long as only they change.
 * What a RUN before made in the same folder is hidden. Where the Dockerfile leaves doubt (variables in paths, --chmod,
 * later copies over the same place) there is no mount.
 * @param entries relative paths of all that is sent to the build, folders too, as `readTree` gives them
 * @param target the stage that is built; the last one without it
 */
export function findSourceMounts(
  dockerfile: string,
  entries: readonly string[],
  target?: string,
): SourceMount[] {
  const stages: Stage[] = [];
  for (const instruction of DockerfileParser.parse(dockerfile).getInstructions()) {
    const keyword = instruction.getKeyword();
    if (keyword === "FROM") {
      const isBuilt = target !== undefined && stages.at(-1)?.name === target.toLowerCase();
      if (isBuilt) break;
      stages.push(beginStage(instruction, stages));
    }
    const stage = stages.at(-1);
    if (stage === undefined) continue;
    if (keyword === "WORKDIR") stage.workdir = enter(stage.workdir, wordsOf(instruction)[0]);
    // It may read, change or compile whatever was copied before.
    if (keyword === "RUN") stage.mounts = [];
    if (keyword === "COPY" || keyword === "ADD") copy(stage, instruction, entries);
  }
  const mounts = stages.at(-1)?.mounts ?? [];
  return mounts.length > mostMounts ? [] : mounts;
}

function beginStage(from: Instruction, stages: readonly Stage[]): Stage {
  const [base = "", as = "", name = ""] = wordsOf(from);
  const parent = stages.findLast((stage) => stage.name !== "" && stage.name === base.toLowerCase());
  return {
    name: as.toUpperCase() === "AS" ? name.toLowerCase() : "",
    workdir: parent?.workdir,
    mounts: [...(parent?.mounts ?? [])],
  };
}

function wordsOf(instruction: Instruction): string[] {
  const strings = "getJSONStrings" in instruction ? (instruction as Copy).getJSONStrings() : [];
  if (strings.length > 0) return strings.map((word) => word.getJSONValue());
  return instruction.getArguments().map((word) => word.getValue());
}

/** Where a path leads from a folder; undefined where that is not certain. */
function enter(folder: string | undefined, path: string | undefined): string | undefined {
  if (path === undefined || /[$"'\\]/.test(path)) return undefined;
  const start = path.startsWith("/") ? "" : folder;
  if (start === undefined) return undefined;
  const parts: string[] = [];
  for (const part of `${start}/${path}`.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function copy(stage: Stage, instruction: Instruction, entries: readonly string[]): void {
  const words = wordsOf(instruction);
  const written = words.at(-1);
  const destination = enter(stage.workdir, written);
  if (destination === undefined) {
    stage.mounts = [];
    return;
  }
  const sources = words.slice(0, -1);
  const flags = (instruction as Copy).getFlags().map((flag) => flag.getName());
  const isPlain =
    instruction.getKeyword() === "COPY" &&
    (instruction as Copy).getHeredocs().length === 0 &&
    flags.every((flag) => flag === "chown" || flag === "link");
  const isFolder = /(?:^|\/)\.{0,2}$/.test(written ?? "") || sources.length > 1;
  const copied = isPlain
    ? sources.map((source) => locate(source, destination, isFolder, entries))
    : [undefined];
  // What is not understood may have written over anything below its destination.
  if (copied.includes(undefined))
    stage.mounts = stage.mounts.filter(({ path }) => !overlaps(path, destination));
  for (const mount of copied.flatMap((found) => found ?? [])) {
    stage.mounts = stage.mounts.filter(({ path }) => !overlaps(path, mount.path));
    if (/^[^,:"\\\s]+$/.test(mount.path + mount.source)) stage.mounts.push(mount);
  }
}

/** What one source of a COPY becomes; undefined where that is not certain. */
function locate(
  written: string,
  destination: string,
  isFolder: boolean,
  entries: readonly string[],
): SourceMount[] | undefined {
  if (/[$"'\\[\]]|(?:^|\/)\.\.(?:\/|$)/.test(written)) return undefined;
  const source = written.replace(/^(?:\.?\/)+/, "").replace(/\/+$|^\.$/g, "");
  const join = (path: string) => `${destination.replace(/\/$/, "")}/${path}`;
  const childrenOf = (folder: string): SourceMount[] => {
    const prefix = folder === "" ? "" : `${folder}/`;
    return entries
      .filter((entry) => entry.startsWith(prefix) && !entry.slice(prefix.length).includes("/"))
      .map((entry) => ({ source: entry, path: join(entry.slice(prefix.length)) }));
  };
  const isParent = (name: string) => entries.some((entry) => entry.startsWith(`${name}/`));
  if (source === "") return childrenOf("");
  if (/[*?]/.test(source)) {
    const pattern = globOf(source);
    const found = entries.filter((entry) => pattern.test(entry));
    return found.flatMap((entry) =>
      isParent(entry)
        ? childrenOf(entry)
        : [{ source: entry, path: join(entry.slice(entry.lastIndexOf("/") + 1)) }],
    );
  }
  if (!entries.includes(source)) return undefined;
  if (isParent(source)) return childrenOf(source);
  return [
    { source, path: isFolder ? join(source.slice(source.lastIndexOf("/") + 1)) : destination },
  ];
}

/** Go's filepath.Match, without character classes. */
function globOf(pattern: string): RegExp {
  const escaped = pattern.replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll("*", "[^/]*").replaceAll("?", "[^/]")}$`);
}

function overlaps(left: string, right: string): boolean {
  return left === right || left.startsWith(`${right}/`) || right.startsWith(`${left}/`);
}
