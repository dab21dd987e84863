import { releaseFacts } from "../facts/containers/releases.ts";
import { need } from "../facts/fact.ts";
import { gatherFacts } from "../host/gather.ts";
import { usedUnitFacts } from "../facts/units/unit.ts";
import { assertServices, containersOf } from "../manifest/services.ts";
import { isReturnable } from "../plan/rollback.ts";
import { renderReleases } from "../report/releases.ts";
import { drainUnitOf, findDraining } from "../resources/containers/traffic.ts";
import { newMarker, onEachHost, openProject } from "../session/project.ts";
import type { Verb } from "./line/verb.ts";

/** What was released on the hosts, and what of it can be gone back to. */
export const runReleases: Verb = async (context, _options, [service]) => {
  const project = await openProject(context);
  const { stack } = project.manifest;
  if (service !== undefined) assertServices(project.manifest, [service]);
  const hosts = await onEachHost(project.hosts, async (connection, host) => {
    const needs = [
      need(releaseFacts, stack),
      ...containersOf(project.manifest).map(({ name }) =>
        need(usedUnitFacts, drainUnitOf(stack, name)),
      ),
    ];
    const facts = await gatherFacts(connection, needs, newMarker());
    const records = facts.get(releaseFacts, stack)?.records ?? [];
    return {
      host: host.name,
      releases: records.filter((one) => service === undefined || one.service === service),
      draining: findDraining(records, stack, facts),
    };
  });
  if (context.options.json === true) {
    const shown = hosts.map(({ host, releases, draining }) => ({
      host,
      releases: releases.map((one) => ({
        ...one,
        returnable: isReturnable(one),
        draining: draining.has(one.id),
      })),
    }));
    context.print(JSON.stringify({ stack, hosts: shown }, undefined, 2));
    return;
  }
  for (const { host, releases, draining } of hosts) {
    context.print(context.colors.bold(host));
    const lines = renderReleases(releases, draining, context.colors);
    context.print(lines.length === 0 ? "  no releases yet" : lines.join("\n"));
  }
};
