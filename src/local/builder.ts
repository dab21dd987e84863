import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { HostkitError } from "../errors.ts";
import type { BuildSource } from "../resources/containers/build-source.ts";
import { withHiddenFolder } from "./hidden-folder.ts";
import { openBlob } from "./pack.ts";

/** A program of this machine that builds images. */
export interface Builder {
  readonly program: "docker" | "podman" | "buildah";
  /** Docker's name of the architecture that it builds for unless told otherwise. */
  readonly architecture: string;
}

/** One build on this machine. */
export interface LocalBuild extends Omit<BuildSource, "kind" | "plainText" | "wish" | "usual"> {
  readonly service: string;
  readonly reference: string;
  readonly architecture: string;
}

/** Docker's names of Node's architectures. */
const architectures: Readonly<Record<string, string>> = {
  ...{ x64: "amd64", ia32: "386", arm64: "arm64", arm: "arm" },
  ...{ ppc64: "ppc64le", riscv64: "riscv64", s390x: "s390x" },
};

/** The kernel's handlers for programs of other processors, by Docker's names. */
const emulators: Readonly<Record<string, string>> = {
  ...{ amd64: "qemu-x86_64", "386": "qemu-i386", arm64: "qemu-aarch64", arm: "qemu-arm" },
  ...{ ppc64le: "qemu-ppc64le", riscv64: "qemu-riscv64", s390x: "qemu-s390x" },
};

/** Name of the kernel's handler for programs of an architecture, in `/proc/sys/fs/binfmt_misc`. */
export function emulatorOf(architecture: string): string {
  return emulators[architecture] ?? `qemu-${architecture}`;
}

/**
 * The first of docker, podman and buildah that is there; of Docker, where its daemon answers and BuildKit is there: the old builder takes
 * `RUN <<EOF` for a command that does nothing.
 * @throws HostkitError local_command_failed
 */
export async function findBuilder(service: string): Promise<Builder> {
  const docker = await askDocker();
  if (typeof docker === "object") return docker;
  const own = architectures[process.arch] ?? process.arch;
  for (const program of ["podman", "buildah"] as const)
    if ((await ask(program, ["--version"])) !== undefined) return { program, architecture: own };
  const { why, next } = dockersLack[docker];
  throw new HostkitError("local_command_failed", {
    what: `nothing on this machine can build the image of ${service}`,
    where: `${service}: build.on: here`,
    why: `docker, podman and buildah were looked for${why}; no host was touched`,
    next: `${next}apt-get install podman   or build it on the host: on: host`,
  });
}

const dockersLack = {
  program: { why: "", next: "" },
  daemon: {
    why: "; docker is there, and its daemon does not answer",
    next: "systemctl start docker   or: ",
  },
  buildx: {
    why: "; docker is there without its builder, buildx",
    next: "apt-get install docker-buildx   (docker-buildx-plugin of Docker's own packages)   or: ",
  },
} as const;

async function askDocker(): Promise<Builder | keyof typeof dockersLack> {
  if ((await ask("docker", ["--version"])) === undefined) return "program";
  const said = await ask("docker", ["version", "--format", "{{.Client.Version}} {{.Server.Arch}}"]);
  const [, major, architecture] = /^(\d+)\S* (\S+)$/.exec(said ?? "") ?? [];
  if (architecture === undefined) return "daemon";
  // Before 23 the client speaks with BuildKit itself.
  const hasBuilder =
    Number(major) < 23 || (await ask("docker", ["buildx", "version"])) !== undefined;
  return hasBuilder ? { program: "docker", architecture } : "buildx";
}

/** For `docker build`: BuildKit, of the daemon, and an image that says nothing of this machine. */
const dockerEnvironment = {
  ...{ DOCKER_BUILDKIT: "1", BUILDX_BUILDER: "default" },
  ...{ BUILDX_NO_DEFAULT_ATTESTATIONS: "1", BUILDX_GIT_INFO: "0" },
};

async function ask(program: string, words: readonly string[]): Promise<string | undefined> {
  const result = await execa(program, words, { reject: false, timeout: 20_000, stdin: "ignore" });
  return result.failed ? undefined : result.stdout.trim();
}

/** @throws HostkitError image_unfit where what is built would not run while it is built */
async function checkArchitecture(builder: Builder, build: LocalBuild): Promise<void> {
  const { architecture, service } = build;
  // Docker Desktop brings its own emulators.
  if (builder.architecture === architecture || process.platform !== "linux") return;
  const handler = emulatorOf(architecture);
  const state = await readFile(`/proc/sys/fs/binfmt_misc/${handler}`, "utf8").catch(() => "");
  if (state.startsWith("enabled")) return;
  throw new HostkitError("image_unfit", {
    what: `${service} cannot be built here for linux/${architecture}`,
    why: `this machine is linux/${builder.architecture}, and does not run programs of the other (no ${handler} in /proc/sys/fs/binfmt_misc); no host was touched`,
    next: "apt-get install qemu-user-static binfmt-support   or build it on the host: on: host",
  });
}

/**
 * Builds an image on this machine and saves it.
 * @param folder of the caller's, where the archive comes to lie
 * @param say takes all that the builder says, as it comes
 * @returns path of the archive
 * @throws HostkitError local_command_failed with the last lines
 */
export async function buildHere(
  build: LocalBuild,
  folder: string,
  say: (chunk: Buffer) => void,
): Promise<string> {
  const builder = await findBuilder(build.service);
  await checkArchitecture(builder, build);
  const { program } = builder;
  const { reference } = build;
  const archive = path.join(folder, "image.tar");
  await withHiddenFolder(folder, async (hidden) => {
    const words = await layOut(builder, build, folder, hidden);
    await runBuilder(build, program, words, say);
  });
  if (program === "docker") {
    await saveByDocker(build, archive);
    await forgetFormer(build);
    return archive;
  }
  const save =
    program === "podman"
      ? ["save", "--quiet", "--output", archive, reference]
      : ["push", "--quiet", reference, `docker-archive:${archive}:${reference}`];
  await runBuilder(build, program, save, say);
  return archive;
}

/**
 * The context as a folder of its own: what is ignored has stayed behind already.
 * @returns the builder's words
 */
async function layOut(
  { program, architecture }: Builder,
  build: LocalBuild,
  folder: string,
  hidden: string,
): Promise<string[]> {
  const { name, text, args, target, secrets, key, reference } = build;
  // BuildKit takes files of one size and one time for the same in folders of one name, wherever these are.
  const context = path.join(folder, `context-${build.context.sha256}`);
  const recipe = path.join(folder, "recipe");
  await mkdir(context);
  await mkdir(recipe);
  const dockerfile = path.join(recipe, name);
  await writeFile(dockerfile, text);
  await writeFile(`${dockerfile}.dockerignore`, "");
  const unpacked = ["-x", "-o", "-f", "-", "-C", context];
  await runBuilder(build, "tar", unpacked, () => {}, openBlob(build.context));
  const isDocker = program === "docker";
  for (const { name: file, value } of [...secrets, ...(key === undefined ? [] : [key])])
    await writeFile(path.join(hidden, file), value, { mode: 0o600 });
  return [
    "build",
    ...(isDocker
      ? []
      : ["--format", "docker", "--layers", "--ignorefile", `${dockerfile}.dockerignore`]),
    ...["--file", dockerfile],
    ...(architecture === build.architecture ? [] : ["--platform", `linux/${build.architecture}`]),
    ...Object.entries(args).flatMap(([arg, value]) => ["--build-arg", `${arg}=${value}`]),
    ...(target === undefined ? [] : ["--target", target]),
    ...secrets.flatMap((one) => ["--secret", `id=${one.name},src=${path.join(hidden, one.name)}`]),
    ...(key === undefined ? [] : ["--ssh", `default=${path.join(hidden, key.name)}`]),
    ...["--tag", reference, context],
  ];
}

async function saveByDocker(build: LocalBuild, archive: string): Promise<void> {
  const child = execa("docker", ["image", "save", build.reference], {
    ...{ reject: false, stdin: "ignore", buffer: { stdout: false, stderr: true } },
  });
  // A disk that is full here ends the pipe, and with it Docker's client.
  const [result, written] = await Promise.all([
    child,
    pipeline(child.stdout, createWriteStream(archive, { mode: 0o600 })).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    ),
  ]);
  const said = typeof written === "string" ? written : String(result.stderr ?? "");
  if (result.failed || written !== undefined) throw explainBuild(build, "docker image save", said);
}

/** Former images of the same service go; what of them the new one needs stays, and so does the builder's cache. */
async function forgetFormer({ reference }: LocalBuild): Promise<void> {
  const repository = reference.slice(0, reference.lastIndexOf(":"));
  const listed = await ask("docker", [
    "image",
    "ls",
    "--format",
    "{{.Repository}}:{{.Tag}}",
    repository,
  ]);
  const former = (listed ?? "").split("\n").filter((name) => name !== "" && name !== reference);
  if (former.length > 0) await ask("docker", ["image", "rm", ...former]);
}

async function runBuilder(
  build: LocalBuild,
  program: string,
  words: readonly string[],
  say: (chunk: Buffer) => void,
  input?: ReturnType<typeof openBlob>,
): Promise<void> {
  const child = execa(program, words, {
    ...{ reject: false, all: true, buffer: false, encoding: "buffer", env: dockerEnvironment },
    ...(input === undefined ? { stdin: "ignore" } : { input }),
  });
  let last = Buffer.alloc(0);
  child.all.on("data", (chunk: Buffer) => {
    last = Buffer.concat([last, chunk]).subarray(-16_384);
    say(chunk);
  });
  const [result] = await Promise.all([child, input === undefined ? undefined : watchInput(input)]);
  if (result.failed)
    throw explainBuild(build, `${program} ${words[0] ?? ""}`, last.toString("utf8"));
}

/** A file that changed while it was sent is told as that, not as what the builder made of half a context. */
async function watchInput(input: ReturnType<typeof openBlob>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    input.on("close", resolve);
    input.on("error", (error) => (error instanceof HostkitError ? reject(error) : resolve()));
  });
}

function explainBuild({ service }: LocalBuild, command: string, said: string): HostkitError {
  const details = said.trim().split("\n").slice(-20);
  return new HostkitError("local_command_failed", {
    what: `${command} failed`,
    where: `${service}, built on this machine (build.on: here)`,
    why: "no host was touched",
    details,
    next: said.includes("short-name")
      ? "write the registry into FROM: docker.io/library/NAME:TAG"
      : "mend what it says, then run the same command again",
  });
}

const dayMs = 86_400_000;

/**
 * A new folder for a build; what one that was killed left for a day goes.
 * @param cache folder of caches of the user
 */
export async function makeBuildFolder(cache: string): Promise<string> {
  const all = path.join(cache, "hostkit/builds");
  await mkdir(all, { recursive: true, mode: 0o700 });
  for (const name of await readdir(all)) {
    const old = path.join(all, name);
    const changed = await stat(old).then(
      ({ mtimeMs }) => mtimeMs,
      () => Infinity,
    );
    if (changed < Date.now() - dayMs) await rm(old, { recursive: true, force: true });
  }
  return mkdtemp(path.join(all, "build-"));
}
