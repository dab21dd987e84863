import path from "node:path";
import { HostkitError } from "../../errors.ts";
import type { Connection } from "../../host/connection.ts";
import { listBuildCommands, runBuildCommand } from "../../local/build.ts";
import { readLocalFiles } from "../../local/inputs.ts";
import { invalidManifest, readManifest, requireManifest } from "../../local/manifest.ts";
import { compareSources, readSources } from "../../local/sources.ts";
import type { Sources } from "../../local/sources.ts";
import type { SourceChange } from "../../local/watch.ts";
import type { Progress } from "../../report/progress.ts";
import type { DevReport } from "../../report/dev.ts";
import type { Blob } from "../../resources/resource.ts";
import type { Context } from "../context.ts";
import { BuildTriggers } from "./triggers.ts";
import { openProject } from "../project.ts";
import type { HostAccess, Project } from "../project.ts";
import { readUnits, releaseAll, syncService, withMounts } from "./release.ts";

/** What a session works with. */
export interface SessionOptions {
  readonly context: Context;
  readonly report: DevReport;
  /** Services that are worked on; empty for all. */
  readonly names: readonly string[];
  agree(project: Project): Promise<void>;
  show<T>(project: Project, work: (progress: Progress) => Promise<T>): Promise<T>;
}

/** One stack on one host, kept like the sources here. One pass at a time. */
export class DevSession {
  readonly #options: SessionOptions;
  #project: Project | undefined;
  #connection: Connection | undefined;
  #deployed: Sources | undefined;
  #units: ReadonlyMap<string, readonly string[]> = new Map();
  /** Contexts as they were when their image was built. */
  readonly #pins = new Map<string, Blob>();
  #triggers: BuildTriggers | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** @throws HostkitError internal before the first pass */
  get project(): Project {
    if (this.#project === undefined)
      throw new HostkitError("internal", { what: "the session has not begun" });
    return this.#project;
  }

  get deployed(): Sources | undefined {
    return this.#deployed;
  }

  /** Services of the manifest that are worked on. */
  get names(): readonly string[] {
    const { manifest } = this.project;
    const all = [...manifest.services, ...manifest.web].map(({ name }) => name);
    return this.#options.names.length === 0 ? all : this.#options.names;
  }

  /** An open connection to the host; a new one where the last was lost. */
  async connection(): Promise<Connection> {
    if (this.#connection !== undefined) return this.#connection;
    const connection = await this.#host().connect();
    this.#connection = connection;
    void connection.closed.then(() => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    return connection;
  }

  async close(): Promise<void> {
    await this.#connection?.close();
  }

  /** Builds here, and provisions the host with what came out. */
  async begin(): Promise<void> {
    await this.build();
    this.#project = chosen(await openProject(this.#options.context), this.#options);
    const sources = await this.#read();
    await this.#release(sources);
  }

  /** Runs the manifest's build commands for the services that are worked on. */
  async build(): Promise<void> {
    const { context, report, names } = this.#options;
    const { options, terminal } = context;
    const loaded = await readManifest(options.file ?? "hostkit.yaml", terminal.workingDirectory);
    const manifest = requireManifest(loaded);
    const commands = listBuildCommands(manifest, names.length === 0 ? undefined : names);
    for (const command of commands) {
      report.tell({ event: "building", command: command.words.join(" ") });
      await runBuildCommand(command, loaded.folder, "keep");
    }
  }

  /**
   * Brings what was saved onto the host.
   * @returns what was done; undefined where nothing that runs has changed
   */
  async take(
    change: SourceChange,
  ): Promise<
    { readonly services: readonly string[]; readonly how: "restarted" | "provisioned" } | undefined
  > {
    const { context, report } = this.#options;
    this.#triggers ??= new BuildTriggers(this.project.loaded.folder);
    if (await this.#triggers.isDue(change)) await this.#triggers.during(() => this.build());
    this.#project = chosen(await openProject(context), this.#options);
    const now = await this.#read();
    const before = this.#deployed;
    const { needsRelease, rebuild, sync } =
      before === undefined
        ? { needsRelease: true, rebuild: now.services.map(({ service }) => service), sync: [] }
        : compareSources(before, now);
    if (needsRelease) {
      for (const name of rebuild) {
        const source = now.services.find(({ service }) => service === name);
        if (source !== undefined) this.#pins.delete(source.context);
      }
      const why = rebuild.length > 0 ? `${rebuild.join(", ")} is built anew` : "provisioning";
      report.tell({ event: "releasing", host: this.#host().name, why });
      const ids = await this.#release(now);
      if (ids.length === 0 && sync.length === 0) return undefined;
      const services = this.names.filter((name) => ids.some((id) => id.endsWith(name)));
      return { services: services.length > 0 ? services : ["the stack"], how: "provisioned" };
    }
    if (sync.length === 0) return undefined;
    const connection = await this.connection();
    const results = await Promise.allSettled(
      sync.map(async ({ service, changed, removed }) => {
        const units = this.#units.get(service.service) ?? [];
        await syncService(this.project, connection, service, { changed, removed }, units);
      }),
    );
    // The files are there also where the program does not come up with them.
    this.#deployed = now;
    const failure = results.find((result) => result.status === "rejected");
    if (failure !== undefined) {
      const isLost = this.#connection === undefined || isUnreachable(failure.reason);
      if (isLost) this.#deployed = before;
      throw failure.reason as Error;
    }
    return { services: sync.map(({ service }) => service.service), how: "restarted" };
  }

  /** Everything that is watched besides what git would take: what builds make, and files elsewhere. */
  async listOutputs(): Promise<string[]> {
    const { loaded, manifest } = this.project;
    const home = this.#options.context.terminal.environment["HOME"];
    const { blobs } = await readLocalFiles(loaded, manifest, { home, now: Date.now() });
    return [...blobs.values()].flatMap((blob) =>
      blob.type === "tree"
        ? topmost(blob.entries ?? []).map((entry) => path.join(blob.path, entry))
        : [blob.path],
    );
  }

  #host(): HostAccess {
    const [host] = this.project.hosts;
    if (host === undefined) throw new HostkitError("internal", { what: "the project has no host" });
    return host;
  }

  async #read(): Promise<Sources> {
    const { loaded, manifest } = this.project;
    const home = this.#options.context.terminal.environment["HOME"];
    const files = await readLocalFiles(loaded, manifest, { home, now: Date.now() });
    if (files.problems.some(({ severity }) => severity === "error"))
      throw invalidManifest(loaded, files.problems);
    for (const [name, blob] of files.blobs)
      if (blob.type === "tree" && !this.#pins.has(name)) this.#pins.set(name, blob);
    return readSources(manifest, files, this.names);
  }

  async #release(sources: Sources): Promise<readonly string[]> {
    const { context, agree, show } = this.#options;
    const project = this.project;
    for (const { context: name, blob } of sources.services)
      if (!this.#pins.has(name)) this.#pins.set(name, blob);
    let ids: readonly string[];
    try {
      ids = await releaseAll({
        context,
        project,
        host: this.#host(),
        connection: await this.connection(),
        sources: sources.services,
        pins: this.#pins,
        agree: () => agree(project),
        show: (work) => show(project, work),
      });
    } catch (error) {
      // Which image is there is not certain: the next pass builds what it needs.
      this.#pins.clear();
      throw error;
    }
    this.#deployed = sources;
    const manifest = withMounts(project, sources.services);
    this.#units = await readUnits({ ...project, manifest }, await this.connection());
    return ids;
  }
}

/** One host: a session is for one. */
function chosen(project: Project, { names }: SessionOptions): Project {
  const { manifest, hosts } = project;
  const known = [...manifest.services, ...manifest.web].map(({ name }) => name);
  for (const name of names) {
    if (known.includes(name)) continue;
    throw new HostkitError("usage", {
      what: `the stack has no service ${JSON.stringify(name)}`,
      why: `it has: ${known.join(", ") || "none at all"}`,
      next: "hostkit check",
    });
  }
  if (hosts.length === 1) return project;
  throw new HostkitError("usage", {
    what: "for which host?",
    why: `the manifest has: ${hosts.map(({ name }) => name).join(", ")}`,
    next: `hostkit dev --host ${hosts[0]?.name ?? "NAME"}`,
  });
}

function isUnreachable(error: unknown): boolean {
  return error instanceof HostkitError && error.code === "host_unreachable";
}

function topmost(entries: readonly string[]): string[] {
  return entries.filter((entry) => !entry.includes("/"));
}
