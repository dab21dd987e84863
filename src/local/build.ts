import { execa } from "execa";
import { HostkitError } from "../errors.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { listReferencedFiles } from "../manifest/references.ts";
import type { Reference } from "../manifest/references.ts";
import { servicesOf } from "../manifest/services.ts";
import type { Blob } from "../resources/resource.ts";
import { readLocalFiles } from "./inputs.ts";
import type { LoadedManifest } from "./manifest.ts";

/** One command that makes things on this machine. */
export interface BuildCommand {
  readonly words: readonly string[];
  /** Where the manifest says so: `build_command`, `web.api.build_command`. */
  readonly from: string;
}

/** Something a service consists of that lies on this machine. */
export interface Product {
  readonly service: string;
  readonly kind: "deb" | "image-archive" | "build-context";
  /** As written in the manifest. */
  readonly path: string;
  /** Absent where it is not there, or not fit. */
  readonly blob?: Blob;
}

/** Kinds of references that a build makes. */
const productKinds: ReadonlySet<string> = new Set(["deb", "image-archive", "build-context"]);

/**
 * The commands that make these services, each once: the stack's first, then their own in the order of their names.
 * @param names services; all without it
 */
export function listBuildCommands(manifest: Manifest, names?: readonly string[]): BuildCommand[] {
  const chosen = servicesOf(manifest).filter(
    ({ name }) => names === undefined || names.includes(name),
  );
  const own = chosen.flatMap(({ section, name, buildCommand }) =>
    buildCommand === undefined
      ? []
      : [{ words: buildCommand, from: `${section}.${name}.build_command` }],
  );
  // Named services that all have their own command do not need the stack's.
  const wantsStack =
    names === undefined || chosen.some(({ buildCommand }) => buildCommand === undefined);
  const stack = wantsStack ? manifest.buildCommand : undefined;
  return [...(stack === undefined ? [] : [{ words: stack, from: "build_command" }]), ...own];
}

/** What the services consist of, as it lies here now. */
export async function readProducts(
  loaded: LoadedManifest,
  manifest: Manifest,
  home: string | undefined,
): Promise<Product[]> {
  const { blobs } = await readLocalFiles(loaded, manifest, { home, now: Date.now() });
  return listReferencedFiles(manifest)
    .filter((reference): reference is Reference & { kind: Product["kind"] } =>
      productKinds.has(reference.kind),
    )
    .map(({ kind, path, pointer }) => {
      const blob = blobs.get(path);
      return { service: String(pointer[1]), kind, path, ...(blob === undefined ? {} : { blob }) };
    });
}

/**
 * Runs one command in the manifest's folder and waits for its end.
 * @param output "inherit": on this terminal; "keep": its last lines are part of the error; else takes all it says as it comes
 * @throws HostkitError local_command_failed
 */
export async function runBuildCommand(
  command: BuildCommand,
  folder: string,
  output: "inherit" | "keep" | ((chunk: Buffer) => void),
  signal?: AbortSignal,
): Promise<void> {
  const [program = "", ...words] = command.words;
  const isShared = output === "inherit";
  const child = execa(program, words, {
    cwd: folder,
    reject: false,
    stdin: isShared ? "inherit" : "ignore",
    stdout: isShared ? "inherit" : "pipe",
    stderr: isShared ? "inherit" : "pipe",
    all: true,
    encoding: "buffer",
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  if (typeof output === "function") child.all.on("data", output);
  const result = await child;
  if (!result.failed) return;
  const shown = command.words.join(" ");
  const said = output === "keep" ? new TextDecoder().decode(result.all) : "";
  const details = said.trim().split("\n").slice(-20).filter(Boolean);
  throw new HostkitError(
    "local_command_failed",
    {
      what: `${shown} failed`,
      where: `${command.from}, in ${folder}`,
      why: explainEnd(result, program),
      ...(details.length === 0 ? {} : { details }),
      next: nextAfter(result.code, program),
    },
    { cause: result },
  );
}

function nextAfter(code: string | undefined, program: string): string {
  if (code === "EACCES") return `chmod +x ${program}`;
  if (code === "ENOENT")
    return "name a program that is there; its path is relative to the manifest's folder";
  return "mend what it says, then run the same command again; no host was touched";
}

function explainEnd(
  result: {
    readonly code?: string | undefined;
    readonly exitCode?: number | undefined;
    readonly signal?: string | undefined;
    readonly shortMessage?: string | undefined;
  },
  program: string,
): string {
  if (result.code === "ENOENT") return `${program} is not there`;
  if (result.code === "EACCES") return `${program} may not be run`;
  if (result.signal !== undefined) return `it was ended by ${result.signal}`;
  if (result.exitCode !== undefined) return `it ended with status ${result.exitCode}`;
  return result.shortMessage ?? "it could not be started";
}
