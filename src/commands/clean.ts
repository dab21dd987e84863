import { everyStack, releaseFacts } from "../facts/containers/releases.ts";
import { need } from "../facts/fact.ts";
import { textFacts } from "../facts/files/file.ts";
import { leftoverFacts } from "../facts/leftovers.ts";
import { lockFacts } from "../facts/lock.ts";
import type { Connection } from "../ssh/connection.ts";
import { gatherFacts } from "../host/gather.ts";
import { assertRunOk, explainLocked } from "../host/outcome.ts";
import { listBuilt, removeBuilt } from "../local/built.ts";
import type { BuiltThing } from "../local/built.ts";
import { readManifest, requireManifest } from "../local/manifest.ts";
import { hostKinds, planCleaning } from "../plan/clean.ts";
import type { HostKind, Removal } from "../plan/clean.ts";
import { makeOperation } from "../plan/operation.ts";
import type { OperationStep } from "../plan/operation.ts";
import { parseState, statePath } from "../plan/state.ts";
import { renderCleaned, renderCleaning, sumOf } from "../report/clean.ts";
import type { CleaningPlace } from "../report/clean.ts";
import type { Progress } from "../report/progress-options.ts";
import type { Context } from "../session/context.ts";
import { confirmOrRefuse, executeRun, showRuns } from "../session/watch-run.ts";
import type { Verb } from "./line/verb.ts";
import { collectResults, newMarker, openProject } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";
import { servicesOf } from "../manifest/services.ts";

interface CleanOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly keepRuns: number;
  /** Kinds: `built` is here, the others are on hosts. */
  readonly only?: readonly string[];
}

const allKinds: readonly string[] = ["built", ...hostKinds];

/** A host and what would go from it. */
interface HostToClean {
  readonly host: HostAccess;
  readonly connection: Connection;
  readonly removals: readonly Removal[];
}

const here = "this machine";

/** Takes away what nobody needs any more, here and on the hosts; says so first. */
export const runClean: Verb<CleanOptions> = async (context, options) => {
  const only = options.only ?? allKinds;
  const kinds = new Set(hostKinds.filter((kind) => only.includes(kind)));
  const built = only.includes("built") ? await findBuilt(context) : [];
  const project = kinds.size > 0 ? await openProject(context) : undefined;
  const connections: Connection[] = [];
  try {
    const hosts = await findOnHosts(project, kinds, options.keepRuns, connections);
    const places: CleaningPlace[] = [
      ...(only.includes("built") ? [{ place: here, entries: built.map(entryOf) }] : []),
      ...hosts.map(({ host, removals }) => ({ place: host.name, entries: removals })),
    ];
    const total = sumOf(places.flatMap(({ entries }) => entries));
    const count = places.reduce((sum, { entries }) => sum + entries.length, 0);
    const json = context.options.json === true;
    if (options.dryRun === true || count === 0) {
      if (json) context.print(describe(places, false));
      else context.print(places.map((place) => renderCleaning(place, context.colors)).join("\n\n"));
      return;
    }
    if (!json)
      context.print(
        `${places.map((place) => renderCleaning(place, context.colors)).join("\n\n")}\n`,
      );
    await confirmOrRefuse(context, "Take all this away?", options.yes === true);
    project?.log.info("clean", { count, total });
    await removeBuilt(built);
    const stayed = project === undefined ? [] : await removeOnHosts(context, project, hosts);
    const done = places.map((planned) =>
      noteStayed(planned, stayed[hosts.findIndex(({ host }) => host.name === planned.place)]),
    );
    if (json) context.print(describe(done, true));
    else context.print(done.map((place) => renderCleaned(place, context.colors)).join("\n"));
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
};

function noteStayed(
  { place, entries }: CleaningPlace,
  reasons: ReadonlyMap<number, string> | undefined,
): CleaningPlace {
  return {
    place,
    entries: entries.map((entry, index) => ({ ...entry, stays: reasons?.get(index) ?? "" })),
  };
}

/** @returns of each host why something stayed after all, by the removal's place in the list */
async function removeOnHosts(
  context: Context,
  project: Project,
  hosts: readonly HostToClean[],
): Promise<ReadonlyMap<number, string>[]> {
  return showRuns(
    context,
    project,
    async (show) =>
      collectResults(
        hosts.map(({ host }) => host),
        await Promise.allSettled(hosts.map((each) => removeOnHost(context, project, each, show))),
      ),
    "live-only",
  );
}

async function findBuilt(context: Context): Promise<BuiltThing[]> {
  const { options, terminal } = context;
  const loaded = await readManifest(options.file ?? "hostkit.yaml", terminal.workingDirectory);
  return listBuilt(loaded, requireManifest(loaded), terminal.environment["HOME"]);
}

function entryOf({ name, bytes, service }: BuiltThing): CleaningPlace["entries"][number] {
  return { kind: "built", name, because: `hostkit build ${service} makes it again`, bytes };
}

async function findOnHosts(
  project: Project | undefined,
  kinds: ReadonlySet<HostKind>,
  keepRuns: number,
  connections: Connection[],
): Promise<HostToClean[]> {
  if (project === undefined) return [];
  return collectResults(
    project.hosts,
    await Promise.allSettled(
      project.hosts.map(async (host) => {
        const connection = await host.connect();
        connections.push(connection);
        return { host, connection, removals: await look(project, connection, kinds, keepRuns) };
      }),
    ),
  );
}

async function look(
  { manifest, stackDirectory }: Project,
  connection: Connection,
  kinds: ReadonlySet<HostKind>,
  keepRuns: number,
): Promise<Removal[]> {
  const state = statePath(stackDirectory);
  const facts = await gatherFacts(
    connection,
    [
      need(leftoverFacts, manifest.stack),
      need(releaseFacts, everyStack),
      need(textFacts, state),
      need(lockFacts, stackDirectory),
    ],
    newMarker(),
  );
  const holder = facts.get(lockFacts, stackDirectory);
  if (holder !== undefined) throw explainLocked(connection.description, holder);
  const leftovers = facts.get(leftoverFacts, manifest.stack);
  if (leftovers === undefined) return [];
  return planCleaning({
    ...{ stack: manifest.stack, stackDirectory, leftovers, kinds, keepRuns },
    releases: facts.all(releaseFacts),
    owned: parseState(facts.get(textFacts, state) ?? "").values(),
    services: servicesOf(manifest).map(({ name }) => name),
  });
}

/** @returns by index of the removal: why it stays */
async function removeOnHost(
  context: Context,
  project: Project,
  { host, connection, removals }: HostToClean,
  show: Progress,
): Promise<ReadonlyMap<number, string>> {
  if (removals.length === 0) return new Map();
  const plan = makeOperation({
    ...{ verb: "clean", host: host.name, stack: project.manifest.stack },
    ...{ stackDirectory: project.stackDirectory, steps: removals.map(stepOf) },
  });
  const outcome = await executeRun(context, project, host, connection, plan, show);
  assertRunOk(outcome, host.name);
  const reasonOf = new Map(outcome.failed.map(({ id, log }) => [id, log.at(-1) ?? "not removed"]));
  return new Map(
    removals.flatMap((removal, index) => {
      const reason = reasonOf.get(stepOf(removal).id);
      return reason === undefined ? [] : [[index, reason] as const];
    }),
  );
}

/** What somebody needs by now stays; the rest goes all the same. */
function stepOf({ kind, name, because, script }: Removal): OperationStep {
  return { id: `${kind}:${name}`, title: `remove ${name}`, because, script, mayFail: true };
}

function describe(places: readonly CleaningPlace[], isDone: boolean): string {
  return JSON.stringify({
    done: isDone,
    bytes: sumOf(places.flatMap(({ entries }) => entries)),
    places: places.map(({ place, entries }) => ({
      place,
      entries: entries.map(({ kind, name, because, bytes, stays }) => ({
        ...{ kind, name, because, bytes },
        ...(stays === undefined || stays === "" ? {} : { stays }),
      })),
    })),
  });
}
