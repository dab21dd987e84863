import { randomBytes } from "node:crypto";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { connect } from "../ssh/connect.ts";
import type { Connection } from "../ssh/connection.ts";
import type { ConnectOptions, Destination } from "../ssh/destination.ts";
import { parseJump, resolveRoute } from "../ssh/hop.ts";
import { keepConnected } from "../ssh/live.ts";
import { readManifest, requireManifest } from "../local/manifest.ts";
import type { LoadedManifest } from "../local/manifest.ts";
import { resolvePath } from "../local/paths.ts";
import type { Host, Manifest } from "../manifest/manifest.ts";
import { stackDirectoryOf } from "../stack/names.ts";
import type { Log } from "../report/log.ts";
import type { Context } from "./context.ts";
import { labDestinationOf } from "./lab-twins.ts";

/** A manifest and those of its hosts that a command works on. */
export interface Project {
  readonly loaded: LoadedManifest;
  readonly manifest: Manifest;
  readonly isLab: boolean;
  readonly hosts: readonly HostAccess[];
  /** The way to a host that builds for others: an entry of `hosts`, or what stands behind `ssh`. */
  reachBuilder(name: string): Promise<HostAccess>;
  readonly stackDirectory: string;
  readonly log: Log;
}

/** The way to one host. */
export interface HostAccess {
  /** The manifest's name. */
  readonly name: string;
  /** Opens a new connection at each call; one that is lost is replaced. */
  connect(): Promise<Connection>;
  /** Address and port of its sshd; `isDirect` false behind a jump host. */
  route(): { readonly address: string; readonly port: number; readonly isDirect: boolean };
}

/**
 * Reads the manifest and finds the way to its hosts; nothing is connected yet, lab twins are booted.
 * @throws HostkitError file_missing, manifest_invalid, usage (no such host), lab_unavailable
 */
export async function openProject(context: Context): Promise<Project> {
  const { options, terminal } = context;
  context.timings.add({ host: "", what: "start", start: 0, end: performance.now() });
  const read = context.timings.begin("", "read the manifest");
  const loaded = await readManifest(options.file ?? "hostkit.yaml", terminal.workingDirectory);
  const manifest = requireManifest(loaded);
  read();
  const selected = selectHosts(manifest, options.host ?? []);
  const log = await context.openLog();
  log.info(`hostkit ${context.verb}`, {
    stack: manifest.stack,
    hosts: selected.map(({ name }) => name),
  });
  const connectOptions: ConnectOptions = {
    prompt: context.prompts,
    environment: terminal.environment,
    acceptNewHostKey: options.acceptNewHostKey === true,
    log: (line) => log.debug(line),
  };
  const isLab = options.lab !== undefined;
  const reach = async (host: Host): Promise<HostAccess> => {
    const destination = isLab
      ? await labDestinationOf(context, manifest, host.name)
      : destinationOf(host, manifest, loaded.folder, terminal.environment["HOME"]);
    return accessTo(destination, host.name, context, connectOptions);
  };
  const reachBuilder = async (name: string): Promise<HostAccess> => {
    const known = manifest.hosts.find((host) => host.name === name);
    if (known !== undefined) return reach(known);
    if (isLab) throw explainNoTwin(name);
    return accessTo(builderDestinationOf(name), name, context, connectOptions);
  };
  return {
    ...{ loaded, manifest, isLab, hosts: await Promise.all(selected.map(reach)), reachBuilder },
    ...{ stackDirectory: stackDirectoryOf(manifest.stack), log },
  };
}

/** What the lab does stays in it. */
function explainNoTwin(name: string): HostkitError {
  return new HostkitError("lab_unavailable", {
    what: `the lab has no host that stands for ${name}, which builds an image (build.on)`,
    why: "only entries of `hosts` have one, and a lab command goes to no other host; nothing was changed",
    next: `write it as an entry of hosts, or build on the host: on: host`,
  });
}

/** A host that the manifest only names: all else is ssh_config's. */
export function builderDestinationOf(name: string): Destination {
  return { name, ...parseJump(name) };
}

function accessTo(
  destination: Destination,
  name: string,
  context: Context,
  connectOptions: ConnectOptions,
): HostAccess {
  return {
    name,
    connect: () =>
      keepConnected(() =>
        connect(destination, {
          ...connectOptions,
          mark: (what) => context.timings.begin(name, what),
        }),
      ),
    route() {
      const route = resolveRoute(destination, connectOptions);
      const last = route.at(-1);
      return {
        address: last?.address ?? destination.address,
        port: last?.port ?? 22,
        isDirect: route.length === 1,
      };
    },
  };
}

/**
 * Does the same on every host at once. Each connection is closed in the end.
 * @throws HostkitError of the first host that failed; it names the others that failed too
 */
export async function onEachHost<T>(
  hosts: readonly HostAccess[],
  work: (connection: Connection, host: HostAccess) => Promise<T>,
): Promise<T[]> {
  return collectResults(
    hosts,
    await Promise.allSettled(
      hosts.map(async (host) => {
        const connection = await host.connect();
        try {
          return await work(connection, host);
        } finally {
          await connection.close();
        }
      }),
    ),
  );
}

/** Hosts that are logged in to and looked at at once. Together they take this machine's processor; a handshake without it times out. */
const maxParallelVisits = 16;

/** The first look at a host, over the connection to it, which may still be on its way. Once a host. */
export type Visit = <T>(
  host: HostAccess,
  look: (connection: Promise<Connection>) => Promise<T>,
) => Promise<T>;

/**
 * Begins to connect to hosts, a few at a time, while `work` does what needs no connection yet: a login is mostly waiting. A host
 * makes room for the next one when its visit is over; its connection stays.
 * In the end all are closed; nobody waits for that, since the far end needs no more of us.
 */
export async function withConnections<T>(
  hosts: readonly HostAccess[],
  work: (visit: Visit) => Promise<T>,
): Promise<T> {
  const waiting: (() => void)[] = [];
  let free = maxParallelVisits;
  let isOver = false;
  /** Hosts that hold a place, and those whose visit ended before they had one. */
  const inside = new Set<string>();
  const unneeded = new Set<string>();
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  };
  const open = async (host: HostAccess): Promise<Connection> => {
    if (free > 0) free--;
    else await new Promise<void>((go) => waiting.push(go));
    if (isOver || unneeded.has(host.name)) {
      leave();
      throw new HostkitError("run_interrupted", { what: `no need of ${host.name}` });
    }
    inside.add(host.name);
    return host.connect();
  };
  const opened = new Map(hosts.map((host) => [host.name, open(host)]));
  // Whoever asks for a connection gets its error; it may be that nobody asks.
  for (const connection of opened.values()) connection.catch(() => undefined);
  try {
    return await work(async (host, look) => {
      try {
        return await look(opened.get(host.name) ?? host.connect());
      } finally {
        if (inside.delete(host.name)) leave();
        else unneeded.add(host.name);
      }
    });
  } finally {
    isOver = true;
    for (const go of waiting) go();
    for (const connection of opened.values())
      connection.then((one) => one.close()).catch(() => undefined);
  }
}

/** The values, when all went well; else the error of the first failure, with the others as details. */
export function collectResults<T>(
  hosts: readonly { readonly name: string }[],
  results: readonly PromiseSettledResult<T>[],
): T[] {
  const failures = results.flatMap((result, index) =>
    result.status === "rejected"
      ? [{ name: hosts[index]?.name ?? "", reason: result.reason as unknown }]
      : [],
  );
  const [first, ...others] = failures;
  if (first === undefined) {
    return results.map((result) => (result as PromiseFulfilledResult<T>).value);
  }
  if (others.length === 0 || !(first.reason instanceof HostkitError)) throw first.reason;
  const { code, parts } = first.reason;
  throw new HostkitError(
    code,
    {
      ...parts,
      where:
        parts.where?.includes(first.name) === true
          ? parts.where
          : [first.name, parts.where].filter(Boolean).join(", "),
      details: [
        ...(parts.details ?? []),
        ...others.map(
          ({ name, reason }) =>
            `also ${name}: ${reason instanceof Error ? reason.message : String(reason)}`,
        ),
      ],
    },
    { cause: first.reason },
  );
}

/** A new random word for each probe. */
export function newMarker(): string {
  return randomBytes(8).toString("hex");
}

function selectHosts(manifest: Manifest, names: readonly string[]): readonly Host[] {
  const known = manifest.hosts.map(({ name }) => name);
  for (const name of names) {
    if (known.includes(name)) continue;
    throw new HostkitError("usage", {
      what: `the manifest has no host ${JSON.stringify(name)}`,
      why: known.length === 0 ? "it has no hosts at all" : `its hosts are: ${known.join(", ")}`,
      next: "hostkit check",
    });
  }
  const selected = manifest.hosts.filter(({ name }) => names.length === 0 || names.includes(name));
  if (selected.length > 0) return selected;
  throw new HostkitError("manifest_invalid", {
    what: "the manifest has no hosts",
    next: "add one: hosts: { NAME: { address: HOST } }",
  });
}

/** A manifest's host as ssh2 is to reach it; jump hosts that the manifest knows come with all it says of them. */
export function destinationOf(
  host: Host,
  manifest: Manifest,
  folder: string,
  home: string | undefined,
): Destination {
  const settled = (known: Host): Destination => {
    return {
      name: known.name,
      address: known.address,
      ...(known.user !== undefined && { user: known.user }),
      ...(known.port !== undefined && { port: known.port }),
      ...(known.identity !== undefined && {
        identity: path.normalize(resolvePath(known.identity, folder, home)),
      }),
      ...(known.hostKeys.length > 0 && { hostKey: known.hostKeys }),
      ...(known.sudo !== "auto" && { sudo: known.sudo === "always" }),
    };
  };
  // As in ssh_config: leaves out a ProxyJump of ~/.ssh/config.
  if (host.jump.length === 1 && host.jump[0] === "none") return { ...settled(host), jump: "none" };
  let jump: Destination | undefined;
  for (const written of host.jump) {
    const known = manifest.hosts.find(({ name }) => name === written);
    const hop: Destination =
      known === undefined ? { name: written, ...parseJump(written) } : settled(known);
    // Who goes through a host of the manifest goes the whole way there.
    const before: Destination | undefined =
      known === undefined || known.jump.length === 0
        ? jump
        : (destinationOf(known, manifest, folder, home).jump as Destination);
    jump = before === undefined ? hop : { ...hop, jump: before };
  }
  return jump === undefined ? settled(host) : { ...settled(host), jump };
}
