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
import type { Progress } from "../report/progress.ts";
import { findService } from "../manifest/services.ts";
import { activeUnitNeeds, unitsOfService } from "../stack/services/active-units.ts";
import { targetOf } from "../stack/names.ts";
import { executeRun, showRuns } from "../session/watch-run.ts";
import type { Verb } from "./line/verb.ts";
import { newMarker, onEachHost, openProject } from "../session/project.ts";
import type { HostAccess } from "../session/project.ts";
import { fitsUnit, unitPatternsOf } from "../session/stack-units.ts";

/** Starts, stops or restarts a service, or all that the stack runs, and says how it is then. */
export function controlWith(action: ControlVerb): Verb {
  return async (context, _options, [service]) => {
    const project = await openProject(context);
    const { stack } = project.manifest;
    const target = targetOf(stack);
    const patterns = service === undefined ? undefined : unitPatternsOf(project.manifest, service);
    const isContainer = findService(project.manifest, service ?? "")?.runtime === "container";
    const work = async (connection: Connection, host: HostAccess, show: Progress) => {
      const facts = await gatherFacts(
        connection,
        [need(targetFacts, target), ...activeUnitNeeds(project.manifest)],
        newMarker(),
      );
      // Of a container's two slots only the one that has the traffic is meant.
      const units = isContainer
        ? unitsOfService(project.manifest, service ?? "", facts)
        : chooseUnits(facts.get(targetFacts, target) ?? [], patterns, stack);
      if (units.length === 0) {
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
      const plan = makeOperation({
        ...{
          verb: [action, ...(service === undefined ? [] : [service])].join(" "),
          host: host.name,
          stack,
        },
        ...{ stackDirectory: project.stackDirectory, steps: planControl(action, units) },
      });
      const outcome = await executeRun(context, project, host, connection, plan, show);
      if (outcome.state !== "failed") assertRunOk(outcome, host.name);
      const after = (await readMembers(connection, target)).filter(({ unit }) =>
        units.includes(unit),
      );
      const sick = after.filter((unit) => !isAsWanted(action, unit));
      if (outcome.state === "failed" || sick.length > 0) {
        throw new HostkitError("run_failed", {
          what: `${sick.map(({ unit }) => unit).join(", ") || service || stack} did not ${action}`,
          where: host.name,
          details: [
            ...outcome.failed.flatMap(({ log }) => log),
            ...(outcome.failed.length > 0
              ? []
              : await readJournal(
                  connection,
                  sick.map(({ unit }) => unit),
                )),
          ],
          next: `hostkit logs${service === undefined ? "" : ` ${service}`}`,
        });
      }
      return {
        host: host.name,
        units: after.map(({ unit, activeState }) => ({ unit, activeState })),
      };
    };
    const results = await showRuns(
      context,
      project,
      (show) => onEachHost(project.hosts, (connection, host) => work(connection, host, show)),
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
