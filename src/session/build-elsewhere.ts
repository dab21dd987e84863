import { createWriteStream } from "node:fs";
import { statfs } from "node:fs/promises";
import path from "node:path";
import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { HostkitError } from "../errors.ts";
import type { ErrorParts } from "../errors.ts";
import { need } from "../facts/fact.ts";
import { builderFacts, builderSubject } from "../facts/containers/builder.ts";
import type { BuilderFact } from "../facts/containers/builder.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { gatherFacts } from "../host/gather.ts";
import { emulatorOf } from "../local/builder.ts";
import { openBlob } from "../local/pack.ts";
import {
  buildWords,
  elsewhereScript,
  startElsewhere,
} from "../resources/containers/build-elsewhere.ts";
import type { BuildElsewhere } from "../resources/containers/build-elsewhere.ts";
import {
  builderNeed,
  chooseText,
  encodeHidden,
  listHidden,
} from "../resources/containers/build.ts";
import type { BuildSource } from "../resources/containers/build-source.ts";
import { refuseBuild } from "../resources/containers/builder.ts";
import { dockerArchitectureOf } from "../resources/containers/platforms.ts";
import { sh } from "../shell/script.ts";
import type { Connection } from "../ssh/connection.ts";
import { newMarker } from "./project.ts";
import type { HostAccess } from "./project.ts";

/** What is built, for whom, and where what is told of it goes. */
export interface ElsewhereOptions {
  readonly host: HostAccess;
  readonly stack: string;
  readonly service: string;
  readonly source: BuildSource;
  /** Docker's name of the architecture that it is for. */
  readonly architecture: string;
  /** Of the caller's, on this machine; the archive comes to lie there. */
  readonly folder: string;
  /** Takes all that the builder says, as it comes. */
  say(chunk: Buffer): void;
}

/**
 * Builds an image on a host and brings it here.
 * @returns path of the archive
 * @throws HostkitError image_unfit for a host that cannot build it, run_failed with the build's last words, and all that connecting throws
 */
export async function buildElsewhere(options: ElsewhereOptions): Promise<string> {
  const connection = await options.host.connect().catch((error: unknown) => {
    throw explain(options, error);
  });
  try {
    const build = await describe(connection, options);
    return await run(connection, build, options);
  } catch (error) {
    throw explain(options, error);
  } finally {
    await connection.close();
  }
}

/** All that was thrown is about the builder, which somebody may take for the host that runs the image. */
function explain({ host, service }: ElsewhereOptions, error: unknown): unknown {
  if (!(error instanceof HostkitError)) return error;
  const { parts, code } = error;
  const place = `${host.name}, which builds ${service} (build.on)`;
  const where = parts.where === undefined ? place : `${parts.where}: ${place}`;
  const untouched = "no host that runs it was touched";
  const why =
    parts.why === undefined
      ? untouched
      : `${parts.why.replace("; nothing was changed", "")}; ${untouched}`;
  return new HostkitError(code, { ...parts, where, why }, { cause: error });
}

/** Looks whether the host can build it, and how. */
async function describe(
  connection: Connection,
  { service, source, stack, architecture }: ElsewhereOptions,
): Promise<BuildElsewhere> {
  const facts = await gatherFacts(
    connection,
    [builderNeed, need(systemFacts, systemSubject)],
    newMarker(),
  );
  const builder = facts.get(builderFacts, builderSubject);
  const system = facts.get(systemFacts, systemSubject);
  refuseWithoutDocker(builder, system?.isSystemd === true, service);
  const refusal = refuseBuild(source.wish, builder);
  if (refusal !== undefined) throw new HostkitError(refusal.code ?? "image_unfit", refusal);
  const own = dockerArchitectureOf(system?.architecture ?? "");
  if (own !== architecture) await checkEmulator(connection, own, { service, architecture });
  return {
    ...{ stack, source, id: newMarker(), text: chooseText(source, builder) },
    ...(own === architecture ? {} : { platform: `linux/${architecture}` }),
    isPacked: connection.isFar,
  };
}

function refuseWithoutDocker(
  builder: BuilderFact | undefined,
  isSystemd: boolean,
  service: string,
): asserts builder is BuilderFact {
  if (!isSystemd)
    throw new HostkitError("image_unfit", {
      what: `the host that is to build ${service} runs without systemd`,
      why: "a build is a unit of it there",
      next: "name a host that is booted with systemd, or build it elsewhere: on: host, on: here",
    });
  if (builder !== undefined) return;
  throw new HostkitError("image_unfit", {
    what: `no Docker answers on the host that is to build ${service}`,
    why: "hostkit installs nothing on a host that only builds",
    next: "there: systemctl start docker, or apt-get install docker.io, with docker-buildx where the distribution has it",
  });
}

async function checkEmulator(
  connection: Connection,
  own: string,
  { service, architecture }: Pick<ElsewhereOptions, "service" | "architecture">,
): Promise<void> {
  const handler = emulatorOf(architecture);
  const { stdout } = await connection.exec(
    sh`cat ${`/proc/sys/fs/binfmt_misc/${handler}`} 2>/dev/null || true`.text,
    { maxBytes: 65_536, onRepeat: () => undefined },
  );
  if (stdout.startsWith("enabled")) return;
  throw new HostkitError("image_unfit", {
    what: `${service} cannot be built there for linux/${architecture}`,
    why: `that host is linux/${own}, and does not run programs of the other (no ${handler} in /proc/sys/fs/binfmt_misc)`,
    next: "there: apt-get install qemu-user-static binfmt-support   or build it on the host that runs it: on: host",
  });
}

async function run(
  connection: Connection,
  build: BuildElsewhere,
  options: ElsewhereOptions,
): Promise<string> {
  const archive = path.join(options.folder, "image.tar");
  const script = Buffer.from(elsewhereScript(build).text);
  let end = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const input = Readable.from(feed(script, build.source, over), { objectMode: false });
  let broken: unknown;
  input.on("error", (error) => {
    broken = error;
  });
  const taken = new Taken(archive, build.isPacked, await measureRoom(options.folder));
  const said = new Said(options.say);
  try {
    const { code } = await connection.exec(startElsewhere(build, script.length).text, {
      stdin: input,
      onStdout: (chunk) => taken.take(chunk),
      onStderr: (chunk) => said.take(chunk),
    });
    const isWhole = await taken.end();
    if (code === 0 && isWhole && !said.isUnsaved()) return archive;
    throw explainBuild(options, said, taken);
  } catch (error) {
    await taken.end();
    throw broken instanceof HostkitError ? broken : error;
  } finally {
    end();
    input.destroy();
  }
}

/** Stays open as long as somebody waits for the image: its end is the build's. */
async function* feed(
  script: Buffer,
  source: BuildSource,
  over: Promise<void>,
): AsyncGenerator<Buffer> {
  yield script;
  yield* openBlob(source.context) as AsyncIterable<Buffer>;
  yield Buffer.from(`${encodeHidden(listHidden(source))}.\n`);
  await over;
}

/** Bytes that this machine's disk takes before it is nearly full. */
async function measureRoom(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize * 0.95;
}

/** The archive as it arrives. */
class Taken {
  /** Why it is not whole. */
  trouble: string | undefined;
  readonly #input = new PassThrough();
  readonly #written: Promise<void>;
  readonly #room: number;
  #bytes = 0;

  constructor(file: string, isPacked: boolean, room: number) {
    this.#room = room;
    const output = createWriteStream(file, { mode: 0o600 });
    const bound = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      let bytes = 0;
      for await (const chunk of source) {
        bytes += chunk.length;
        if (bytes > room) throw new Error("ENOSPC: no room for the image on this machine");
        yield chunk;
      }
    };
    const written = isPacked
      ? pipeline(this.#input, createGunzip(), bound, output)
      : pipeline(this.#input, bound, output);
    this.#written = written.catch((error: unknown) => {
      this.trouble = error instanceof Error ? error.message : String(error);
    });
  }

  take(chunk: Buffer): Promise<unknown> | undefined {
    this.#bytes += chunk.length;
    if (this.trouble !== undefined || this.#bytes > this.#room)
      throw new HostkitError("disk_full", {
        what: "this machine did not take the image that was built",
        why: this.trouble ?? "its disk has no room for it",
        next: "free space where ~/.cache is (df -h), then run the same command again",
      });
    if (this.#input.write(chunk)) return undefined;
    return Promise.race([once(this.#input, "drain"), this.#written]);
  }

  async end(): Promise<boolean> {
    this.#input.end();
    await this.#written;
    return this.trouble === undefined;
  }
}

/** Bytes of the builder's words that are kept for an error. */
const lastBytes = 65_536;

/** What the host says of the build. */
class Said {
  #last = Buffer.alloc(0);
  readonly #say: (chunk: Buffer) => void;

  constructor(say: (chunk: Buffer) => void) {
    this.#say = say;
  }

  take(chunk: Buffer): void {
    this.#last = Buffer.concat([this.#last, chunk]).subarray(-lastBytes);
    this.#say(chunk);
  }

  isUnsaved(): boolean {
    return this.#lines().includes(buildWords.unsaved);
  }

  /** Why it failed, where the build says; else its last lines. */
  reasons(): string[] {
    const lines = this.#lines();
    const at = lines.lastIndexOf(buildWords.failed);
    return (at < 0 ? lines : lines.slice(at + 1)).slice(-20);
  }

  #lines(): string[] {
    return this.#last.toString("utf8").trimEnd().split(/\r?\n/);
  }
}

function explainBuild({ service }: ElsewhereOptions, said: Said, taken: Taken): HostkitError {
  const lines = said.reasons();
  const parts: ErrorParts = {
    what:
      said.isUnsaved() || taken.trouble !== undefined
        ? `the image of ${service} was built, and did not come here whole`
        : `the build of ${service} failed`,
    ...(taken.trouble === undefined ? {} : { why: taken.trouble }),
    details: lines,
    next: lines.some((line) => line.includes("no space left on device"))
      ? "free space there: docker system df; docker builder prune"
      : "mend what it says, then run the same command again",
  };
  return new HostkitError("run_failed", parts);
}
