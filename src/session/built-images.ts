import { rm } from "node:fs/promises";
import path from "node:path";
import { StringDecoder } from "node:string_decoder";
import { buildHere, makeBuildFolder } from "../local/builder.ts";
import { readImageArchive } from "../local/image-archive.ts";
import { HostkitError } from "../errors.ts";
import type { Plan } from "../plan/types.ts";
import { chooseImage } from "../resources/containers/load.ts";
import { placeOf } from "../resources/containers/packed-image.ts";
import type { Delivery, ImageArchive, PackedImage } from "../resources/containers/packed-image.ts";
import type { ElsewhereOptions } from "./build-elsewhere.ts";
import type { Context } from "./context.ts";
import type { Project } from "./project.ts";

interface Ready {
  readonly archive: ImageArchive;
  readonly image: PackedImage;
}

/** The images that plans deliver: those of archives, and those that are built on this machine or on a host for others, each once. */
export class DeliveredImages {
  readonly #context: Context;
  readonly #project: Pick<Project, "reachBuilder" | "manifest">;
  readonly #built = new Map<string, Ready>();
  readonly #folders: string[] = [];

  constructor(context: Context, project: Pick<Project, "reachBuilder" | "manifest">) {
    this.#context = context;
    this.#project = project;
  }

  /**
   * Builds what is to be built here or on a host for others, one after the other. No host is touched before all of it is there.
   * @throws HostkitError local_command_failed, run_failed, image_unfit; of a host that builds for others, all that connecting throws
   */
  async build(plans: readonly Plan[]): Promise<void> {
    for (const { changes } of plans)
      for (const { delivers } of changes) if (delivers !== undefined) await this.get(delivers);
  }

  async get(delivery: Delivery): Promise<Ready> {
    const { origin, reference } = delivery;
    if (origin.kind === "archive") return origin;
    const key = `${reference} ${origin.architecture}`;
    const known = this.#built.get(key);
    if (known !== undefined) return known;
    const ready = await this.#build(delivery, origin);
    this.#built.set(key, ready);
    return ready;
  }

  /** Takes away what builds left on this machine's disk. */
  async clear(): Promise<void> {
    for (const folder of this.#folders.splice(0))
      await rm(folder, { recursive: true, force: true });
  }

  async #buildOn(on: string, options: Omit<ElsewhereOptions, "host" | "stack">): Promise<string> {
    const { buildElsewhere } = await import("./build-elsewhere.ts");
    const host = await this.#project.reachBuilder(on);
    return buildElsewhere({ ...options, host, stack: this.#project.manifest.stack });
  }

  async #build(
    { reference, service }: Delivery,
    { on, build, architecture }: Extract<Delivery["origin"], { kind: "elsewhere" }>,
  ): Promise<Ready> {
    const { terminal, options, timings, note } = this.#context;
    const { environment } = terminal;
    const cache = environment["XDG_CACHE_HOME"] || path.join(environment["HOME"] ?? "/", ".cache");
    const folder = await makeBuildFolder(cache);
    this.#folders.push(folder);
    const built = timings.begin("", `build ${service}`);
    note(`${service}: is built on ${placeOf(on)}`);
    const say = options.json === true ? (): void => {} : byLine(note);
    const file =
      on === "here"
        ? await buildHere({ ...build, service, reference, architecture }, folder, say)
        : await this.#buildOn(on, { service, source: build, architecture, folder, say });
    built();
    const archive = await readImageArchive(file).catch((error: unknown) => {
      throw explainUnreadable(service, on, error);
    });
    const image = chooseImage({ archive, architecture });
    if (image !== undefined) return { archive, image };
    throw new HostkitError("image_unfit", {
      what: `${service} was built for ${archive.images.map(({ platform }) => platform).join(", ")}, and the host is linux/${architecture}`,
      why: "its Dockerfile says FROM --platform=…; no host was touched",
      next: "leave --platform out of the last stage's FROM",
    });
  }
}

function explainUnreadable(service: string, on: string, error: unknown): HostkitError {
  return new HostkitError("run_failed", {
    what: `the image of ${service} that was built on ${placeOf(on)} cannot be read`,
    why: `${error instanceof Error ? error.message : String(error)}; no host that runs it was touched`,
    next: "run the same command again",
  });
}

/** Whole lines, so that no secret is cut in two before it is looked for; a last one without its end is not shown. */
function byLine(tell: (line: string) => void): (chunk: Buffer) => void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  return (chunk) => {
    const lines = (rest + decoder.write(chunk)).split(/\r?\n/);
    rest = (lines.pop() ?? "").slice(-65_536);
    for (const line of lines) tell(line);
  };
}
