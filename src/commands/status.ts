import { exitCodes } from "../errors.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { gatherFacts } from "../host/gather.ts";
import { listRuns } from "../host/run.ts";
import { describeStatus, findSick, renderStatus } from "../report/status.ts";
import { readStatus, statusNeeds } from "../session/host-status.ts";
import type { Verb } from "./line/verb.ts";
import { newMarker, onEachHost, openProject } from "../session/project.ts";

/** What runs where, and how it is. */
export const runStatus: Verb = async (context) => {
  const project = await openProject(context);
  const { manifest, stackDirectory } = project;
  const shown = await onEachHost(project.hosts, async (connection, host) => {
    const [facts, runs] = await Promise.all([
      gatherFacts(
        connection,
        statusNeeds(manifest, { certificates: true, alone: true }),
        newMarker(),
      ),
      listRuns(connection, manifest.stack, stackDirectory),
    ]);
    const now = facts.get(systemFacts, systemSubject)?.time ?? Date.now() / 1000;
    return {
      status: readStatus(manifest, host.name, connection.description, facts, runs.at(-1)),
      now,
    };
  });
  if (context.options.json === true) {
    const hosts = shown.map(({ status }) => describeStatus(status));
    context.print(JSON.stringify({ stack: manifest.stack, hosts }, undefined, 2));
  } else {
    context.print(
      shown.map(({ status, now }) => renderStatus(status, now, context.colors)).join("\n\n"),
    );
  }
  const isFine = shown.every(({ status }) => status.isProvisioned && findSick(status).length === 0);
  return isFine ? exitCodes.ok : exitCodes.failed;
};
