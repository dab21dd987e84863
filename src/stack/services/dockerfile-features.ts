import { Keyword } from "dockerfile-ast";
import type { Copy, Instruction, Run } from "dockerfile-ast";
import type { DockerfileFeature } from "../../resources/containers/build-source.ts";
import { lineOf, listNeeded, mountsOf, textOf, triggerOf } from "./dockerfile-stages.ts";
import type { Stages } from "./dockerfile-stages.ts";

/** From which version of the Dockerfile's language a thing can be written; the numbers are those of `docker/dockerfile:1.N`. */
interface Since {
  readonly since: number;
  /** Where it came earlier for those that ask for it (`1.N-labs`). */
  readonly labs?: number;
  readonly instead?: string;
}

const heredoc: Since = { since: 4, labs: 3, instead: "write RUN a && b, or COPY a file" };
const link: Since = { since: 4, instead: "leave --link out: it only makes builds faster" };
const exclude: Since = {
  since: 19,
  labs: 7,
  instead: "name in .dockerignore what is not to be copied",
};

/** By `KEYWORD --flag`. */
const flags: Readonly<Record<string, Since>> = {
  "COPY --link": link,
  "ADD --link": link,
  "COPY --parents": { since: 20, labs: 7, instead: "COPY each folder to its own place" },
  "COPY --exclude": exclude,
  "ADD --exclude": exclude,
  "ADD --checksum": { since: 6, instead: "RUN curl … && sha256sum --check" },
  "ADD --keep-git-dir": { since: 6, labs: 1, instead: "clone it in a RUN" },
  "ADD --unpack": { since: 17, instead: "unpack it in a RUN" },
  "RUN --network": { since: 3 },
  "RUN --security": { since: 20, labs: 1 },
  "RUN --device": { since: 20, labs: 14 },
  "HEALTHCHECK --start-interval": {
    since: 6,
    instead: "leave it out: hostkit has a health check of its own (`health`)",
  },
};

/** Of the instructions that a target needs: all that not every builder understands, line by line. */
export function listFeatures(stages: Stages, target?: string): DockerfileFeature[] {
  const needed = listNeeded(stages, target).flatMap(
    (number) => stages.all[number]?.instructions ?? [],
  );
  return [...stages.globals, ...needed].flatMap((instruction) =>
    featuresOf(triggerOf(instruction), stages.text).map((feature) => ({
      ...feature,
      line: lineOf(instruction),
    })),
  );
}

type Unplaced = Omit<DockerfileFeature, "line">;

function featuresOf(instruction: Instruction, text: string): Unplaced[] {
  const keyword = instruction.getKeyword();
  const own = flagsOf(instruction);
  const found: Unplaced[] = own.flatMap(({ name, value }) => {
    const what = `${keyword} --${name}`;
    const known = Object.hasOwn(flags, what) ? flags[what] : undefined;
    // Older builders take letters and do nothing.
    if (name === "chmod" && /[^0-7]/.test(value) && !value.includes("$"))
      return [{ what: `${what}=${value}`, since: 14, instead: "write the mode in digits: 755" }];
    return known === undefined ? [] : [{ what, ...known }];
  });
  if (hasHeredoc(instruction)) found.push({ what: `${keyword} <<…`, ...heredoc });
  if (mountsOf(instruction).some((mount) => mount.get("type") === "secret" && mount.has("env")))
    found.push({
      what: "RUN --mount=type=secret,env=…",
      since: 10,
      instead: "read the secret's file: $(cat /run/secrets/NAME)",
    });
  if (isGitSource(instruction))
    found.push({
      what: "ADD of a git repository",
      since: 6,
      labs: 5,
      instead: "clone it in a RUN",
    });
  if (substitutes(instruction, text))
    found.push({ what: "${VARIABLE#…}, ${VARIABLE%…} and ${VARIABLE/…}", since: 7 });
  return found;
}

function flagsOf(instruction: Instruction): { readonly name: string; readonly value: string }[] {
  if (!("getFlags" in instruction)) return [];
  return (instruction as Copy)
    .getFlags()
    .map((flag) => ({ name: flag.getName().toLowerCase(), value: flag.getValue() ?? "" }));
}

function hasHeredoc(instruction: Instruction): boolean {
  const keyword = instruction.getKeyword();
  const takes = keyword === Keyword.RUN || keyword === Keyword.COPY || keyword === Keyword.ADD;
  return takes && (instruction as Run).getHeredocs().length > 0;
}

/** Whether it adds what git has to fetch: then the host needs git. */
export function isGitSource(instruction: Instruction): boolean {
  if (instruction.getKeyword() !== Keyword.ADD) return false;
  return instruction
    .getArguments()
    .slice(0, -1)
    .some((word) => /^(?:git|ssh):\/\/|^git@|^https?:\/\/\S+\.git(?:#|$)/.test(word.getValue()));
}

/** In instructions whose variables the builder fills in, not the shell. */
function substitutes(instruction: Instruction, text: string): boolean {
  const keyword = instruction.getKeyword();
  const isShells =
    keyword === Keyword.RUN ||
    keyword === Keyword.CMD ||
    keyword === Keyword.ENTRYPOINT ||
    keyword === Keyword.HEALTHCHECK ||
    keyword === Keyword.SHELL ||
    hasHeredoc(instruction);
  return !isShells && /(?<!\\)\$\{\w+(?:[#%/])/.test(textOf(instruction, text));
}

export interface AskedSecret {
  readonly id: string;
  readonly type: "secret" | "ssh";
  readonly line: number;
  /** Without it the build fails; otherwise it goes on without. */
  readonly isRequired: boolean;
}

/** The secrets and keys that a build asks for. */
export function listAskedSecrets(stages: Stages, target?: string): AskedSecret[] {
  return listNeeded(stages, target)
    .flatMap((number) => stages.all[number]?.instructions ?? [])
    .flatMap((instruction) =>
      mountsOf(triggerOf(instruction)).flatMap((mount) => {
        const type = mount.get("type");
        if (type !== "secret" && type !== "ssh") return [];
        const place = (mount.get("target") ?? mount.get("dst") ?? mount.get("destination") ?? "")
          .split("/")
          .at(-1);
        const id = mount.get("id") ?? (type === "ssh" ? "default" : (place ?? ""));
        const isRequired = /^(?:true|1)?$/i.test(mount.get("required") ?? "false");
        return [{ id, type, line: lineOf(instruction), isRequired }];
      }),
    );
}
