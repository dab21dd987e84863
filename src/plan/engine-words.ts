import { HostkitError } from "../errors.ts";
import { engineFacts, engineSubject } from "../facts/containers/engine.ts";
import { need } from "../facts/fact.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import { textFacts } from "../facts/files/file.ts";
import { daemonPath } from "../resources/containers/docker-start.ts";
import { jsonFileId } from "../resources/files/json-file.ts";
import { unitId } from "../resources/units/unit.ts";
import type { Plan } from "./types.ts";

const engineId = unitId("docker.service");
const daemonFileId = jsonFileId(daemonPath);

/** What has to be asked to say what a restart of Docker does to the containers that run. */
export function listEngineNeeds(plan: Plan): FactNeed[] {
  return plan.changes.some(({ id }) => isAboutDocker(id))
    ? [need(engineFacts, engineSubject), need(textFacts, daemonPath)]
    : [];
}

function isAboutDocker(id: string): boolean {
  return id === engineId || id === daemonFileId;
}

/** The same plan, with the words what a restart of Docker does to the containers that run, whosever they are. */
export function nameContainers(plan: Plan, facts: Facts): Plan {
  const { running } = facts.get(engineFacts, engineSubject) ?? { running: [] };
  if (running.length === 0) return plan;
  const named = `${running.length === 1 ? "the container that runs" : `the ${running.length} containers that run`} (${running.slice(0, 5).join(", ")}${running.length > 5 ? ", …" : ""})`;
  const words =
    liveRestoreIn(facts) === false
      ? `ends ${named}, and starts again only what has a restart policy: live-restore is off in ${daemonPath}`
      : `${named} ${running.length === 1 ? "lives" : "live"} on`;
  const changes = plan.changes.map((change) =>
    change.id === engineId && change.action === "restart"
      ? { ...change, because: `${change.because}; ${words}` }
      : change,
  );
  return { ...plan, changes };
}

/** A swarm's Docker does not start with live-restore. */
export function checkSwarm(plan: Plan, facts: Facts): HostkitError | undefined {
  const engine = facts.get(engineFacts, engineSubject);
  const isWritten = plan.changes.some(
    ({ id, action }) => id === daemonFileId && action !== "delete",
  );
  if (engine?.isSwarm !== true || !isWritten || liveRestoreIn(facts) === false) return undefined;
  return new HostkitError("packages_blocked", {
    what: "Docker is in swarm mode and would not start with live-restore, which hostkit sets",
    where: plan.host,
    why: "nothing was changed",
    next: `on the host: write "live-restore": false into ${daemonPath}; hostkit leaves what is set there`,
  });
}

function liveRestoreIn(facts: Facts): unknown {
  try {
    const read: unknown = JSON.parse(facts.get(textFacts, daemonPath) ?? "{}");
    return typeof read === "object" && read !== null && "live-restore" in read
      ? read["live-restore"]
      : undefined;
  } catch {
    return undefined;
  }
}
