import { exitCodes, HostkitError } from "../errors.ts";
import { need } from "../facts/fact.ts";
import { targetFacts } from "../facts/units/target.ts";
import type { TargetMember } from "../facts/units/target.ts";
import type { Connection } from "../ssh/connection.ts";
import { gatherFacts } from "../host/gather.ts";
import { readJournal } from "../host/journal.ts";
import { assertRunOk } from "../host/outcome.ts";
import { planControl } from "../plan/control.ts";
import type { ControlVerb } from "../plan/control.ts";
import { makeOperation } from "../plan/operation.ts";
import type { Progress } from "../report/progress-options.ts";
import { findService } from "../manifest/services.ts";
import { activeUnitNeeds, unitsOfService } from "../stack/services/active-units.ts";
import { targetOf } from "../stack/names.ts";
import type { Context } from "../session/context.ts";
import { endOneOff, findOneOff } from "../session/one-offs.ts";
import { executeRun, showRuns } from "../session/watch-run.ts";
import type { Verb } from "./line/verb.ts";
import { newMarker, onEachHost, openProject } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";
import { fitsUnit, unitPatternsOf } from "../session/stack-units.ts";

/** Starts, stops or restarts a service, or all that the stack runs, and says how it is then. */
export function controlWith(action: ControlVerb): Verb {
  return async (context, _options, [service]) => {
    const project = await openProject(context);
    if (action === "stop" && service !== undefined) {
      const command = await findOneOff(project, service);
      if (command !== undefined) return endOneOff(context, project, command);
    }
    const wanted: Wanted = { action, service };
    const results = await showRuns(
      context,
      project,
      (show) =>
        onEachHost(project.hosts, (connection, host) =>
          controlHost({ context, project, host, connection, show }, wanted),
        ),
      "live-only",
    );
    if (context.options.json === true) {
      context.print(JSON.stringify({ action, hosts: results }));
    } else {
      for (const { host, units } of results) {
        for (const { unit, activeState } of units) {
          context.print(`${context.colors.green("✓")} ${host}: ${unit} is ${activeState}`);
        }
      }
    }
    return exitCodes.ok;
  };
}

interface Wanted {
  readonly action: ControlVerb;
  /** Absent: all that the stack runs. */
  readonly service: string | undefined;
}

/** One host that is looked at and changed. */
interface Place {
  readonly context: Context;
  readonly project: Project;
  readonly host: HostAccess;
  readonly connection: Connection;
  readonly show: Progress;
}

async function controlHost(place: Place, wanted: Wanted) {
  const { context, project, host, connection, show } = place;
  const { action, service } = wanted;
  const { stack } = project.manifest;
  const units = await findUnits(place, service);
  const plan = makeOperation({
    verb: [action, ...(service === undefined ? [] : [service])].join(" "),
    host: host.name,
    stack,
    stackDirectory: project.stackDirectory,
    steps: planControl(action, units),
  });
  const outcome = await executeRun(context, project, host, connection, plan, show);
  if (outcome.state !== "failed") assertRunOk(outcome, host.name);
  const after = (await readMembers(connection, targetOf(stack))).filter(({ unit }) =>
    units.includes(unit),
  );
  const sick = after.filter((unit) => !isAsWanted(action, unit)).map(({ unit }) => unit);
  if (outcome.state === "failed" || sick.length > 0) {
    const said = outcome.failed.flatMap(({ log }) => log);
    throw new HostkitError("run_failed", {
      what: `${sick.join(", ") || service || stack} did not ${action}`,
      where: host.name,
      details: outcome.failed.length > 0 ? said : await readJournal(connection, sick),
      next: `hostkit logs${service === undefined ? "" : ` ${service}`}`,
    });
  }
  return {
    host: host.name,
    units: after.map(({ unit, activeState }) => ({ unit, activeState })),
  };
}

/** @throws HostkitError usage where there are none */
async function findUnits(
  { project: { manifest }, host, connection }: Place,
  service: string | undefined,
): Promise<readonly string[]> {
  const target = targetOf(manifest.stack);
  const patterns = service === undefined ? undefined : unitPatternsOf(manifest, service);
  const facts = await gatherFacts(
    connection,
    [need(targetFacts, target), ...activeUnitNeeds(manifest)],
    newMarker(),
  );
  // Of a container's two slots only the one that has the traffic is meant.
  const units =
    findService(manifest, service ?? "")?.runtime === "container"
      ? unitsOfService(manifest, service ?? "", facts)
      : chooseUnits(facts.get(targetFacts, target) ?? [], patterns, manifest.stack);
  if (units.length > 0) return units;
  throw new HostkitError("usage", {
    what:
      service === undefined
        ? "the stack runs no service of its own here"
        : `${service} is not on this host`,
    where: host.name,
    why: "it was not provisioned yet, or has none",
    next: "hostkit provision",
  });
}

async function readMembers(
  connection: Connection,
  target: string,
): Promise<readonly TargetMember[]> {
  const facts = await gatherFacts(connection, [need(targetFacts, target)], newMarker());
  return facts.get(targetFacts, target) ?? [];
}

/** Of a service: its units that hang on the target (only the slot in use does). Of the stack: all that carry its name. */
function chooseUnits(
  members: readonly TargetMember[],
  patterns: readonly string[] | undefined,
  stack: string,
): string[] {
  return members
    .map(({ unit }) => unit)
    .filter((unit) =>
      patterns === undefined
        ? unit.startsWith(`${stack}-`) && unit.endsWith(".service")
        : patterns.some((pattern) => fitsUnit(pattern, unit)),
    );
}

function isAsWanted(action: ControlVerb, { activeState }: TargetMember): boolean {
  if (action === "stop") return activeState === "inactive" || activeState === "failed";
  return activeState === "active";
}
