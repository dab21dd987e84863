import { findDistribution, likeliestRelease, nameDistributions } from "../distributions.ts";
import { HostkitError } from "../errors.ts";
import { need } from "../facts/fact.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import { lockFacts } from "../facts/lock.ts";
import { placesOf } from "../facts/postgres/cluster.ts";
import { clusterFacts } from "../facts/postgres/postgres.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import type { System, SystemFact } from "../facts/system/system.ts";
import { makePlan, planNeeds } from "../plan/plan.ts";
import { findOrphans } from "../plan/removals.ts";
import { stackDirectoryOf } from "../stack/names.ts";
import type { Scope } from "../plan/scope.ts";
import type { Plan } from "../plan/types.ts";
import type { Resource } from "../resources/resource.ts";
import type { Connection } from "../ssh/connection.ts";
import { gatherFacts } from "./gather.ts";
import { type Mark, noMark } from "../ssh/mark.ts";

/** What the controller remembers of a host between two calls, so that one probe is enough. */
export interface SystemGuess extends System {
  readonly hostname: string;
}

export interface InspectOptions {
  /** The manifest's name of the host. */
  readonly host: string;
  readonly stack: string;
  /** What is wanted on such a system; pure. */
  resolve(system: System, hostname: string): readonly Resource[];
  /** What the host was last time; a wrong guess costs a second probe. */
  readonly guess?: SystemGuess;
  /** More questions for the same round trip (status, ports). */
  readonly alsoAsk?: readonly FactNeed[];
  /** What the plan may touch; absent: all that is wanted. */
  readonly scope?: Scope;
  /** A new random hex word at each call. */
  newMarker(): string;
  readonly mark?: Mark;
}

export interface Inspection {
  readonly facts: Facts;
  readonly system: SystemFact;
  readonly resources: readonly Resource[];
  readonly plan: Plan;
  /** The line of whoever runs on this stack now. */
  readonly lockedBy?: string;
}

const firstGuess: SystemGuess = {
  ...likeliestRelease,
  architecture: "amd64",
  hostname: "",
};

/**
 * Looks at a host and says what would have to change. Reads only.
 * @param opening may still be on its way: what to ask is thought out meanwhile
 * @throws HostkitError os_unsupported
 */
export async function inspectHost(
  opening: Connection | Promise<Connection>,
  options: InspectOptions,
): Promise<Inspection> {
  const mark = options.mark ?? noMark;
  const stackDirectory = stackDirectoryOf(options.stack);
  const extra = [need(lockFacts, stackDirectory), ...(options.alsoAsk ?? [])];
  const look = async (
    resources: readonly Resource[],
    more: readonly FactNeed[] = [],
  ): Promise<Facts> =>
    gatherFacts(
      opening,
      [...planNeeds(stackDirectory, resources), ...extra, ...more],
      options.newMarker(),
      mark,
    );
  const resolve = (system: System, hostname: string): readonly Resource[] => {
    const resolved = mark("work out what is wanted");
    const resources = options.resolve(system, hostname);
    resolved();
    return resources;
  };

  const guess = chooseGuess(options.guess);
  let resources = resolve(guess, guess.hostname);
  let facts = await look(resources);
  let system = readSystem(facts, guess, await opening);
  // Twice where the first look was made for another distribution: its PostgreSQL has another version.
  for (
    let known = guess;
    !isSameSystem(system, known);
    system = readSystem(facts, known, await opening)
  ) {
    const before = JSON.stringify(resources);
    resources = resolve(system, system.hostname);
    known = system;
    // A host seen for the first time has another name than none, and few manifests make anything of the name.
    if (JSON.stringify(resources) === before) break;
    facts = await look(resources);
  }
  const orphans = findOrphans({ resources, facts, stackDirectory });
  if (orphans.length > 0) {
    const needs = planNeeds(stackDirectory, [], orphans);
    facts = await look(resources, needs);
  }
  const planned = mark("compare");
  const plan = makePlan({
    host: options.host,
    stack: options.stack,
    stackDirectory,
    resources,
    facts,
    ...(options.scope === undefined ? {} : { scope: options.scope }),
  });
  planned();
  const lockedBy = facts.get(lockFacts, stackDirectory);
  return { facts, system, resources, plan, ...(lockedBy === undefined ? {} : { lockedBy }) };
}

/** A host that hostkit provisioned once may be remembered with a release that is no row any more. */
function chooseGuess(remembered: SystemGuess | undefined): SystemGuess {
  return remembered === undefined || findDistribution(remembered) === undefined
    ? firstGuess
    : remembered;
}

/** What was seen; where clusters were not asked about, what is known of them from before. */
function readSystem(
  facts: Facts,
  known: SystemGuess,
  connection: Pick<Connection, "description">,
): SystemFact {
  const system = facts.get(systemFacts, systemSubject);
  checkSystem(system, connection);
  const clusters = { ...known.clusters, ...placesOf(facts.all(clusterFacts)) };
  return Object.keys(clusters).length === 0 ? system : { ...system, clusters };
}

function isSameSystem(system: SystemFact, guess: SystemGuess): boolean {
  return (
    JSON.stringify(system.clusters) === JSON.stringify(guess.clusters) &&
    system.distribution === guess.distribution &&
    system.version === guess.version &&
    system.architecture === guess.architecture &&
    system.hostname === guess.hostname
  );
}

/**
 * @throws HostkitError os_unsupported
 */
export function checkSystem(
  system: SystemFact | undefined,
  connection: Pick<Connection, "description">,
): asserts system is SystemFact {
  const isKnown = system !== undefined && findDistribution(system) !== undefined;
  if (isKnown && system.isSystemd) return;
  throw new HostkitError("os_unsupported", {
    what: isKnown
      ? `${system.prettyName} runs without systemd`
      : `hostkit does not know ${system === undefined || system.prettyName === "" ? "this operating system" : system.prettyName}`,
    where: connection.description,
    why: `hostkit provisions ${nameDistributions()}, booted with systemd; nothing was changed`,
    next: "take a host with one of these, or see docs/hosts.md",
  });
}
