import path from "node:path";
import { HostkitError } from "../errors.ts";
import type { Connection } from "../ssh/connection.ts";
import { runningIdOf } from "../stack/services/start-order.ts";
import { listBuildCommands, runBuildCommand } from "../local/build.ts";
import { readLocalFiles } from "../local/inputs.ts";
import { invalidManifest } from "../local/manifest.ts";
import { isOfBase, compareSources, readSources } from "../local/sources.ts";
import type { Sources } from "../local/sources.ts";
import type { SourceChange } from "../local/watch.ts";
import type { Progress } from "../report/progress-options.ts";
import type { DevReport } from "../report/dev.ts";
import type { Blob } from "../resources/resource.ts";
import type { Context } from "../session/context.ts";
import { userName } from "../session/watch-run.ts";
import { openProject } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";
import { Claim } from "./claim.ts";
import { withMounts } from "./mounts.ts";
import { readPlaces, releaseAll } from "./release.ts";
import type { Place } from "./scripts.ts";
import { sendChanges, startAgain } from "./sync.ts";
import type { FileChanges } from "./sync.ts";
import { BuildTriggers } from "./triggers.ts";
import type { Verdict } from "./triggers.ts";
import { assertServices, servicesOf } from "../manifest/services.ts";

/** What a session works with. */
export interface SessionOptions {
  readonly context: Context;
  readonly report: DevReport;
  /** Services that are worked on; empty for all. */
  readonly names: readonly string[];
  /** Ends what is going on here; a run on the host goes on. */
  readonly signal: AbortSignal;
  /** Asked before anything is done; throws to stop. */
  agree(project: Project): Promise<void>;
  show<T>(project: Project, work: (progress: Progress) => Promise<T>): Promise<T>;
}

/** What a pass brought. */
export interface Taken {
  readonly services: readonly string[];
  readonly how: "restarted" | "provisioned";
}

const signOfLifeMs = 15_000;

/** One stack on one host, kept like the sources here. One pass at a time. */
export class DevSession {
  readonly #options: SessionOptions;
  #project: Project | undefined;
  #connection: Promise<Connection> | undefined;
  #claim: Claim | undefined;
  #pulse: NodeJS.Timeout | undefined;
  /** What stands on the host; undefined where that is not certain. */
  #deployed: Sources | undefined;
  #places: ReadonlyMap<string, Place> = new Map();
  /** Contexts as they were when their image was built. */
  readonly #pins = new Map<string, Blob>();
  #triggers: BuildTriggers | undefined;
  #isRunning = false;
  /** What did not come up: it is tried again when a source is saved, not when a build's echo comes late. */
  #rejected: Sources | undefined;

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

  /** A run is going on on the host. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Services of the manifest that are worked on. */
  get names(): readonly string[] {
    const { manifest } = this.project;
    const all = servicesOf(manifest).map(({ name }) => name);
    return this.#options.names.length === 0 ? all : this.#options.names;
  }

  /** An open connection to the host; a new one where the last was lost. */
  connection(): Promise<Connection> {
    this.#connection ??= this.#connect();
    return this.#connection;
  }

  async close(): Promise<void> {
    clearInterval(this.#pulse);
    const connection = await this.#connection?.catch(() => undefined);
    if (connection === undefined) return;
    await this.#claim?.drop(connection).catch(() => undefined);
    await connection.close();
  }

  /** Builds here, and provisions the host with what came out. */
  async begin(): Promise<Taken | undefined> {
    const { context, names } = this.#options;
    const project = chosen(await openProject(context), names);
    this.#project = project;
    await this.#options.agree(project);
    this.#claim = new Claim(project.manifest.stack, userName(context));
    await this.#claim.hold(await this.connection());
    this.#pulse = setInterval(() => void this.#giveSignOfLife(), signOfLifeMs).unref();
    this.#triggers = new BuildTriggers(project.loaded.folder);
    await this.#build();
    return this.#bring(true);
  }

  /** Why something changed, as far as it concerns this session. */
  async judge(change: SourceChange): Promise<Verdict> {
    const verdict = await this.#triggers?.judge(change);
    return verdict ?? { cause: "sources", paths: change.paths };
  }

  /** Saved files of which nothing was told. */
  async findMissed(): Promise<string[]> {
    return (await this.#triggers?.findMissed()) ?? [];
  }

  /**
   * Brings what was saved onto the host.
   * @param isSource the build commands run first
   * @returns what was done; undefined where nothing that runs has changed
   */
  async take(isSource: boolean): Promise<Taken | undefined> {
    this.#project = chosen(await openProject(this.#options.context), this.#options.names);
    try {
      if (isSource) await this.#build();
      const taken = await this.#bring(isSource);
      this.#triggers?.settle(true);
      return taken;
    } catch (error) {
      this.#triggers?.settle(false);
      throw error;
    }
  }

  async #bring(isSource: boolean): Promise<Taken | undefined> {
    const now = await this.#read();
    const before = this.#deployed;
    if (!isSource && this.#rejected !== undefined && isSame(this.#rejected, now)) return undefined;
    this.#rejected = undefined;
    const connection = await this.connection();
    await this.#claim?.hold(connection);
    if (before === undefined) return this.#release(connection, now);
    const { needsRelease, rebuild, sync } = compareSources(before, now);
    if (needsRelease) {
      const why = rebuild.length > 0 ? `${rebuild.join(", ")} is built anew` : "provisioning";
      this.#options.report.tell({ event: "releasing", host: this.#host().name, why });
      return this.#release(connection, now, rebuild);
    }
    if (sync.length === 0) return undefined;
    const isOurs = await this.#sync(connection, now, sync);
    if (isOurs) return { services: sync.map(({ source }) => source.service), how: "restarted" };
    const why = "somebody else has provisioned it: once more from here";
    this.#options.report.tell({ event: "releasing", host: this.#host().name, why });
    return this.#release(connection, now);
  }

  /** Everything that is watched besides what git would take: what builds make, and files elsewhere. */
  async listOutputs(): Promise<string[]> {
    const { blobs } = await this.#readFiles();
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

  async #connect(): Promise<Connection> {
    try {
      const connection = await this.#host().connect();
      void connection.closed.then(() => {
        this.#connection = undefined;
      });
      return connection;
    } catch (error) {
      this.#connection = undefined;
      throw error;
    }
  }

  async #giveSignOfLife(): Promise<void> {
    try {
      const connection = await this.#connection;
      if (connection !== undefined) await this.#claim?.hold(connection);
    } catch {
      // The next pass says that the host is away, or somebody else's.
    }
  }

  /** Runs the manifest's build commands for the services that are worked on. */
  async #build(): Promise<void> {
    const { report, names, signal } = this.#options;
    const { loaded, manifest } = this.project;
    const commands = listBuildCommands(manifest, names.length === 0 ? undefined : names);
    if (commands.length === 0) return;
    await this.#triggers?.during(async () => {
      for (const command of commands) {
        report.tell({ event: "building", command: command.words.join(" ") });
        await runBuildCommand(command, loaded.folder, "keep", signal);
      }
    });
  }

  async #readFiles() {
    const { loaded, manifest } = this.project;
    const home = this.#options.context.terminal.environment["HOME"];
    return readLocalFiles(loaded, manifest, { home, now: Date.now() });
  }

  async #read(): Promise<Sources> {
    const files = await this.#readFiles();
    if (files.problems.some(({ severity }) => severity === "error"))
      throw invalidManifest(this.project.loaded, files.problems);
    for (const [name, blob] of files.blobs)
      if (blob.type === "tree" && !this.#pins.has(name) && !isOfBase(this.project.manifest, name))
        this.#pins.set(name, blob);
    return readSources(this.project.manifest, files, this.names);
  }

  /** @returns false, with the images to be built anew, where what runs is no release of this session */
  async #sync(
    connection: Connection,
    now: Sources,
    changes: readonly FileChanges[],
  ): Promise<boolean> {
    const before = this.#deployed;
    this.#deployed = undefined;
    const results = await Promise.allSettled(
      changes.map(async (change) => {
        const place = this.#places.get(change.source.service);
        return place === undefined
          ? false
          : sendChanges(connection, this.project.manifest, change, place);
      }),
    );
    const failures = results.filter((result) => result.status === "rejected");
    // With each that does not come up what it had is back; where the link broke nothing is certain.
    if (before !== undefined && failures.every(({ reason }) => isRunFailure(reason))) {
      const came = changes.filter((_, index) => results[index]?.status === "fulfilled");
      this.#deployed = replaceServices(before, now, came);
    }
    if (failures[0] !== undefined) {
      if (this.#deployed !== undefined) this.#rejected = now;
      throw failures[0].reason as Error;
    }
    if (results.every((result) => result.status === "fulfilled" && result.value)) return true;
    // The images of this session may be gone.
    this.#pins.clear();
    this.#deployed = undefined;
    await this.#read();
    return false;
  }

  /** @param rebuild services whose image is to be what is here now; what else runs stays if it can */
  async #release(
    connection: Connection,
    now: Sources,
    rebuild: readonly string[] = [],
  ): Promise<Taken | undefined> {
    const { context, show } = this.#options;
    const project = this.project;
    const pinned = new Map(this.#pins);
    for (const { service, taken } of now.services)
      for (const { name, blob } of taken)
        if (rebuild.includes(service) || !pinned.has(name)) this.#pins.set(name, blob);
    const before = this.#deployed;
    this.#deployed = undefined;
    let released;
    try {
      released = await releaseAll({
        ...{ context, project, connection, sources: now.services, pins: this.#pins },
        host: this.#host(),
        show: (work) => show(project, (progress) => this.#running(() => work(progress))),
      });
    } catch (error) {
      // Where the link broke it is not certain which images are there: the next pass builds what it needs.
      this.#pins.clear();
      if (isRunFailure(error) && before !== undefined) {
        this.#deployed = before;
        for (const [name, blob] of pinned) this.#pins.set(name, blob);
      }
      throw error;
    }
    const { ids, waiting } = released;
    const manifest = withMounts(project.manifest, now.services);
    this.#places = await readPlaces(manifest, connection);
    await Promise.all(
      waiting.map(async (source) => {
        const place = this.#places.get(source.service);
        if (place !== undefined) await startAgain(connection, manifest, source, place);
      }),
    );
    this.#deployed = now;
    const restarted = waiting.map(({ service }) => service);
    if (ids.length === 0)
      return restarted.length === 0 ? undefined : { services: restarted, how: "restarted" };
    const named = servicesOf(manifest)
      .filter((service) => ids.includes(runningIdOf(manifest.stack, service)))
      .map(({ name }) => name)
      .filter((name) => this.names.includes(name));
    const services = [...new Set([...restarted, ...named])];
    return { services: services.length > 0 ? services : ["the stack"], how: "provisioned" };
  }

  async #running<T>(work: () => Promise<T>): Promise<T> {
    this.#isRunning = true;
    try {
      return await work();
    } finally {
      this.#isRunning = false;
    }
  }
}

function isSame(before: Sources, now: Sources): boolean {
  const { needsRelease, sync } = compareSources(before, now);
  return !needsRelease && sync.length === 0;
}

/** One host: a session is for one. */
function chosen(project: Project, names: readonly string[]): Project {
  const { manifest, hosts } = project;
  assertServices(manifest, names);
  if (hosts.length === 1) return project;
  throw new HostkitError("usage", {
    what: "for which host?",
    why: `the manifest has: ${hosts.map(({ name }) => name).join(", ")}`,
    next: `hostkit dev --host ${hosts[0]?.name ?? "NAME"}`,
  });
}

/** What stands there once some services are as they are now. */
function replaceServices(before: Sources, now: Sources, came: readonly FileChanges[]): Sources {
  const names = came.map(({ source }) => source.service);
  const services = before.services.map(
    (old) =>
      now.services.find(({ service }) => service === old.service && names.includes(service)) ?? old,
  );
  return { ...before, services };
}

/** The host said no, and is as it was before. */
function isRunFailure(error: unknown): boolean {
  return error instanceof HostkitError && error.code === "run_failed";
}

function topmost(entries: readonly string[]): string[] {
  return entries.filter((entry) => !entry.includes("/"));
}
