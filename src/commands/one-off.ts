import { hostname } from "node:os";
import { HostkitError } from "../errors.ts";
import { activeNeeds, readActive } from "../facts/containers/traffic.ts";
import { gatherFacts } from "../host/gather.ts";
import { detachOneOff, prepareOneOff, runOneOff, signalOneOff } from "../host/one-off.ts";
import type { OneOffEnds } from "../host/one-off.ts";
import type { OneOffRecord } from "../host/one-off-records.ts";
import { readTemplates } from "../local/templates.ts";
import type { AnyService } from "../manifest/manifest.ts";
import { findService, servicesOf, unknownService } from "../manifest/services.ts";
import type { Context } from "../session/context.ts";
import { chooseOneHost } from "../session/one-host.ts";
import { newMarker, openProject } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";
import { passTo } from "../session/terminal.ts";
import { newRunId, userName } from "../session/watch-run.ts";
import type { Connection } from "../ssh/connection.ts";
import { serviceUnitOf } from "../stack/names.ts";
import type { OneOff, OneOffPlace } from "../stack/services/one-off.ts";
import type { Refusal } from "../stack/services/one-off-prepare.ts";
import {
  commandLauncherOf,
  containerOf,
  environmentFileOf,
  upstreamFileOf,
} from "../stack/services/service-places.ts";
import { UnwritableError } from "../writers/written.ts";
import type { Verb } from "./line/verb.ts";

export interface OneOffOptions {
  /** Names of variables of this machine. */
  readonly env?: readonly string[];
  readonly replica?: number;
  readonly detach?: boolean;
  /** false: `--no-terminal`. */
  readonly terminal?: boolean;
  /** false: `--no-entrypoint`. */
  readonly entrypoint?: boolean;
}

/** What an argument list of the kernel would not take, and a record should not hold. */
const maxCommandBytes = 128 * 1024;
/** Characters of a command in its record; all records of a host are one answer. */
const maxRecorded = 4096;

interface Asked {
  readonly verb: "exec" | "run";
  readonly service: AnyService;
  readonly words: readonly string[] | undefined;
  readonly options: OneOffOptions;
}

/** Runs one command as a service does: beside the running release (`exec`), or in a container or unit of its own (`run`). */
export function oneOffWith(verb: Asked["verb"]): Verb<OneOffOptions> {
  return async (context, options, [name = "", ...words]) => {
    const environment = readVariables(context, options.env ?? []);
    const project = await openProject(context);
    const service = findService(project.manifest, name);
    if (service === undefined) {
      const known = servicesOf(project.manifest).map((one) => one.name);
      throw unknownService(name, known, "hostkit status");
    }
    const asked: Asked = {
      ...{ verb, service, options },
      words: words.length === 0 ? undefined : words,
    };
    refuseSenseless(context, asked);
    const host = chooseOneHost(project, `hostkit ${verb} ${name}`);
    const connection = await host.connect();
    try {
      return await carryOut(context, project, host, connection, asked, environment);
    } finally {
      await connection.close();
    }
  };
}

async function carryOut(
  context: Context,
  project: Project,
  host: HostAccess,
  connection: Connection,
  asked: Asked,
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const { service, words, options } = asked;
  const id = newRunId(new Date());
  const ends = chooseEnds(context, options);
  const oneOff: OneOff = {
    id,
    stack: project.manifest.stack,
    stackDirectory: project.stackDirectory,
    place: await choosePlace(project, host, connection, asked, id),
    ...(words === undefined ? {} : { words }),
    environment,
    ...(ends?.kind === "terminal" ? { terminal: ends.terminal.type } : {}),
  };
  const record = describeForRecord(context, asked, oneOff);
  project.log.info("one-off command", { host: host.name, ...record });
  const refusal = await prepareOneOff(connection, oneOff, record, await readTemplates()).catch(
    (error: unknown) => {
      throw error instanceof UnwritableError ? explainVariable(error, service) : error;
    },
  );
  if (refusal !== undefined) throw explainRefusal(refusal, asked, host);
  if (ends === undefined) {
    await detachOneOff(connection, oneOff);
    tellDetached(context, host, id);
    return 0;
  }
  const code = await join(context, connection, oneOff, ends);
  project.log.info("one-off command ended", { host: host.name, id, code });
  return code;
}

/** On a terminal Ctrl-C is a key like any other; else it is sent on. */
async function join(
  context: Context,
  connection: Connection,
  oneOff: OneOff,
  ends: OneOffEnds,
): Promise<number> {
  if (ends.kind === "terminal") return runOneOff(connection, oneOff, ends);
  const unlisten = context.terminal.onInterrupt(() => signalOneOff(connection, oneOff, "INT"));
  try {
    return await runOneOff(connection, oneOff, ends);
  } finally {
    unlisten();
  }
}

function describeForRecord(
  context: Context,
  { verb, service, words, options }: Asked,
  { id, place, environment }: OneOff,
): OneOffRecord {
  const names = Object.keys(environment);
  return {
    ...{ id, verb, service: service.name, detached: options.detach === true },
    ...(words === undefined ? {} : { words: shorten(words) }),
    ...(names.length === 0 ? {} : { variables: names }),
    ...(place.kind === "unit" ? {} : { container: place.container }),
    by: `${userName(context)}@${hostname()}`,
  };
}

/** What a record holds: of a long command its beginning. */
function shorten(words: readonly string[]): string[] {
  const kept: string[] = [];
  let left = maxRecorded;
  for (const word of words) {
    if (left <= 0) return [...kept, "…"];
    kept.push(word.length <= left ? word : `${word.slice(0, left)}…`);
    left -= word.length + 1;
  }
  return kept;
}

/** A terminal where there is one on both sides; undefined: nothing here is joined to it. */
function chooseEnds({ terminal }: Context, options: OneOffOptions): OneOffEnds | undefined {
  const { stdin, stdout, stderr, environment } = terminal;
  if (options.detach === true) return undefined;
  if (stdin.isTTY === true && stdout.isTTY === true && options.terminal !== false) {
    const output = stdout as NodeJS.WriteStream;
    const type = environment["TERM"] ?? "xterm";
    return { kind: "terminal", terminal: { input: stdin, output, type } };
  }
  return { kind: "pipes", stdin, onStdout: passTo(stdout), onStderr: passTo(stderr) };
}

/** Where it runs, by what is on the host: what the manifest says may not have been released yet. */
async function choosePlace(
  { manifest: { stack } }: Project,
  host: HostAccess,
  connection: Connection,
  { verb, service: { name, runtime }, words, options }: Asked,
  id: string,
): Promise<OneOffPlace> {
  if (runtime === "native")
    return {
      kind: "unit",
      unit: serviceUnitOf(stack, name),
      environmentFile: environmentFileOf(stack, name),
      isBeside: verb === "exec",
    };
  const upstream = upstreamFileOf(stack, name);
  const facts = await gatherFacts(connection, activeNeeds(upstream), newMarker());
  const active = readActive(facts, upstream);
  if (active === undefined) throw explainNotThere(name, host);
  return verb === "exec"
    ? {
        kind: "in-container",
        container: containerOf(stack, name, active.slot, options.replica ?? 1),
      }
    : {
        kind: "container",
        container: `${stack}-${name}-run-${id}`,
        launcher: commandLauncherOf(stack, name, active.slot),
        image: active.image,
        isBare: words === undefined || options.entrypoint === false,
      };
}

/** @throws HostkitError usage for variables that this machine does not have, and for values among the arguments */
function readVariables({ terminal }: Context, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        const [first = ""] = name.split("=");
        throw new HostkitError("usage", {
          what: `-e takes the name of a variable, not ${name.includes("=") ? "its value" : JSON.stringify(name)}`,
          why: "arguments are seen by everybody who lists processes; the value is taken from the environment here",
          next: `export ${first || "NAME"}=…   then: -e ${first || "NAME"}`,
        });
      }
      const value = terminal.environment[name];
      if (value !== undefined) return [name, value];
      throw new HostkitError("usage", {
        what: `there is no variable ${name} here`,
        why: "-e passes on a variable of this machine's environment",
        next: `export ${name}=…`,
      });
    }),
  );
}

/** @throws HostkitError usage */
function refuseSenseless(context: Context, { verb, service, words, options }: Asked): void {
  const refuse = (what: string, why: string, next: string): never => {
    throw new HostkitError("usage", { what, why, next });
  };
  const { name, runtime } = service;
  if (runtime === "native" && words === undefined)
    refuse(
      "what is to be run?",
      `${name} is a native service, whose user has no login shell`,
      `hostkit ${verb} ${name} -- sh   (a shell in its sandbox), or: hostkit ${verb} ${name} -- PROGRAM WORDS`,
    );
  if (runtime === "native" && (options.replica !== undefined || options.entrypoint === false))
    refuse(
      `--${options.replica === undefined ? "no-entrypoint" : "replica"} is for containers`,
      `${name} is a native service`,
      `hostkit ${verb} ${name} -- …`,
    );
  if (options.detach === true && words === undefined)
    refuse(
      "what is to be run?",
      "a shell that nobody can type into ends at once",
      `hostkit ${verb} ${name} --detach -- PROGRAM WORDS`,
    );
  if (context.options.json === true && options.detach !== true)
    refuse(
      "--json is for --detach",
      "otherwise all that is printed is the command's own",
      `hostkit ${verb} ${name} --detach --json -- …`,
    );
  const bytes = Buffer.byteLength((words ?? []).join(" "));
  if (bytes > maxCommandBytes)
    refuse(
      `the command has ${bytes} bytes`,
      `at most ${maxCommandBytes} are passed on`,
      `what is longer goes by standard input: hostkit ${verb} ${name} -- … < FILE`,
    );
}

function explainNotThere(service: string, host: HostAccess): HostkitError {
  return new HostkitError("usage", {
    what: `${service} is not on this host`,
    where: host.name,
    why: "it was never provisioned here",
    next: "hostkit provision",
  });
}

function explainRefusal(
  refusal: Refusal,
  { verb, service, options: { replica = 1 } }: Asked,
  host: HostAccess,
): HostkitError {
  const { name } = service;
  const explain = (what: string, next: string, why?: string): HostkitError =>
    new HostkitError("usage", {
      what,
      where: host.name,
      ...(why === undefined ? {} : { why }),
      next,
    });
  switch (refusal) {
    case "not-there":
      return explainNotThere(name, host);
    case "stopped":
      return replica > 1
        ? explain(
            `replica ${replica} of ${name} does not run`,
            `hostkit exec ${name} --replica 1`,
            `the manifest has ${service.section === "web" ? service.replicas : 1}`,
          )
        : explain(
            `${name} does not run, so that there is nothing to be run in`,
            `hostkit start ${name}   or, in a container or unit of its own: hostkit run ${name} -- …`,
          );
    case "no-shell":
      return explain(
        `the image of ${name} has no shell`,
        `hostkit ${verb} ${name} -- PROGRAM WORDS`,
        "it has no `sh`; what is to be run has to be said",
      );
    case "no-launcher":
      return explain(
        `the release of ${name} that serves does not say how a command is run as it`,
        `hostkit provision   (or in the running container: hostkit exec ${name} -- …)`,
        "it was made by a hostkit that had no `run`",
      );
    default:
      return explain(
        `the image of the release of ${name} that serves is gone from the host`,
        "hostkit provision",
      );
  }
}

function explainVariable(error: UnwritableError, { name }: AnyService): HostkitError {
  return new HostkitError(
    "usage",
    {
      what: `a variable cannot be passed on to ${name}`,
      why: error.message,
      next: "give it by standard input, or as a secret of the manifest",
    },
    { cause: error },
  );
}

function tellDetached(context: Context, host: HostAccess, id: string): void {
  const lab = context.options.lab === undefined ? "" : " --lab";
  if (context.options.json === true) {
    context.print(JSON.stringify({ host: host.name, id }));
    return;
  }
  context.print(id);
  context.note(
    `it goes on on ${host.name}; what it prints: hostkit attach${lab} ${id}; how it ended: hostkit runs${lab}`,
  );
}
