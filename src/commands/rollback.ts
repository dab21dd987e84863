import { HostkitError } from "../errors.ts";
import { findServing, releaseFacts } from "../facts/containers/releases.ts";
import type { ReleaseRecord } from "../facts/containers/releases.ts";
import { need } from "../facts/fact.ts";
import { textFacts } from "../facts/files/file.ts";
import { clusterFacts } from "../facts/postgres/postgres.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import type { SystemFact } from "../facts/system/system.ts";
import { gatherFacts } from "../host/gather.ts";
import { assertRunOk } from "../host/outcome.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { containersOf, unknownService } from "../manifest/services.ts";
import { makeOperation } from "../plan/operation.ts";
import type { OperationStep } from "../plan/operation.ts";
import { planRestorePoint } from "../plan/restore-point.ts";
import { chooseRelease, planForgetting, planRollback } from "../plan/rollback.ts";
import { formatSeconds, formatTime } from "../report/duration.ts";
import { plainText } from "../report/terminal-text.ts";
import { keptPathOf, parseKept } from "../resources/containers/kept-release.ts";
import type { Context } from "../session/context.ts";
import { collectResults, newMarker, openProject } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";
import { confirmOrRefuse, executeRun, showRuns } from "../session/watch-run.ts";
import type { Connection } from "../ssh/connection.ts";
import { postgresMajorOf } from "../stack/database/database-place.ts";
import type { Verb } from "./line/verb.ts";

interface RollbackOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly forget?: boolean;
}

/** A host, and what is to be done there. */
interface HostToRollBack {
  readonly host: HostAccess;
  readonly connection: Connection;
  readonly service: string;
  readonly serving: ReleaseRecord;
  /** Absent: only to be forgotten. */
  readonly chosen?: ReleaseRecord;
  readonly steps: readonly OperationStep[];
}

/** Lets a release that was replaced serve again; from what is kept on the host alone. */
export const runRollback: Verb<RollbackOptions> = async (
  context,
  options,
  [service = "", word],
) => {
  const project = await openProject(context);
  const known = containersOf(project.manifest).map(({ name }) => name);
  if (!known.includes(service)) throw unknownService(service, known, "hostkit releases");
  const connections: Connection[] = [];
  const isToForget = options.forget === true;
  try {
    const hosts = collectResults(
      project.hosts,
      await Promise.allSettled(
        project.hosts.map(async (host): Promise<HostToRollBack> => {
          const connection = await host.connect();
          connections.push(connection);
          return {
            host,
            connection,
            service,
            ...(await look(project, host, connection, service, word, isToForget)),
          };
        }),
      ),
    );
    const json = context.options.json === true;
    if (!json) context.print(`${hosts.map(describe).join("\n")}\n`);
    if (options.dryRun === true) {
      if (json) print(context, hosts, false);
      return;
    }
    if (!isToForget) await confirmOrRefuse(context, "Go back?", options.yes === true);
    const seconds = await carryOut(context, project, hosts);
    if (json) print(context, hosts, true);
    else for (const each of hosts) context.print(describeDone(context, each, seconds));
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
};

/** @throws HostkitError usage where there is nothing to go back to, or nothing to forget */
async function look(
  { manifest, stackDirectory }: Project,
  host: HostAccess,
  connection: Connection,
  service: string,
  word: string | undefined,
  isToForget: boolean,
): Promise<Pick<HostToRollBack, "serving" | "chosen" | "steps">> {
  const { stack } = manifest;
  const facts = await gatherFacts(
    connection,
    [need(releaseFacts, stack), need(systemFacts, systemSubject)],
    newMarker(),
  );
  const releases = facts.get(releaseFacts, stack);
  const refuse = (what: string, why?: string): never => {
    throw new HostkitError("usage", {
      what,
      where: host.name,
      ...(why === undefined ? {} : { why }),
      next: `hostkit releases ${service}`,
    });
  };
  const serving = findServing(releases, service);
  if (isToForget) {
    const isUndoing = serving?.undoes !== undefined && serving.undoes.length > 0;
    if (serving === undefined || (!isUndoing && (serving.given ?? "") === ""))
      return refuse(
        `nobody went back to the release of ${service} that serves, or deployed it with another image than the manifest's`,
      );
    return { serving, steps: planForgetting(stackDirectory, serving) };
  }
  const chosen = chooseRelease(releases, service, word);
  if (!("id" in chosen)) return refuse(chosen.what, chosen.why);
  const major = majorWithPoints(manifest, facts.get(systemFacts, systemSubject));
  const path = keptPathOf(stackDirectory, service, chosen.id);
  const needs = [
    need(textFacts, path),
    ...(major === undefined ? [] : [need(clusterFacts, String(major))]),
  ];
  const more = await gatherFacts(connection, needs, newMarker());
  const kept = readKept(more.get(textFacts, path), chosen);
  if (kept === undefined || serving === undefined)
    return refuse(
      `release ${chosen.id} of ${service} cannot be gone back to`,
      "what is kept of it on the host cannot be read",
    );
  const point = planRestorePoint(stack, major, more, `rollback ${service}: to ${chosen.id}`);
  return { serving, chosen, steps: [...point, ...planRollback(kept, chosen, serving)] };
}

/** The PostgreSQL whose WAL is kept, so that a moment of it can be gone back to. */
function majorWithPoints(
  { database, backups }: Manifest,
  system: SystemFact | undefined,
): number | undefined {
  return database === undefined || system === undefined || backups?.postgres?.wal !== "continuous"
    ? undefined
    : postgresMajorOf(database, system);
}

function readKept(text: string | undefined, { service, release, image }: ReleaseRecord) {
  const kept = parseKept(text);
  return kept?.service === service && kept.release === release && kept.image === image
    ? kept
    : undefined;
}

/** @returns how long it took, in seconds */
async function carryOut(
  context: Context,
  project: Project,
  hosts: readonly HostToRollBack[],
): Promise<number> {
  const startedAt = performance.now();
  await showRuns(context, project, async (show) =>
    collectResults(
      hosts.map(({ host }) => host),
      await Promise.allSettled(
        hosts.map(async (each) => {
          const { host, connection, service, steps } = each;
          const plan = makeOperation({
            ...{ verb: `rollback ${service}`, host: host.name, stack: project.manifest.stack },
            ...{ stackDirectory: project.stackDirectory, steps },
          });
          const outcome = await executeRun(context, project, host, connection, plan, show);
          assertRunOk(outcome, host.name);
          await assertBack(project, each, outcome.run.runId);
        }),
      ),
    ),
  );
  return (performance.now() - startedAt) / 1000;
}

/** @throws HostkitError proof_failed where the host's records and its switch do not say so */
async function assertBack(
  { manifest: { stack } }: Project,
  { host, connection, service, chosen }: HostToRollBack,
  runId: string,
): Promise<void> {
  const facts = await gatherFacts(connection, [need(releaseFacts, stack)], newMarker());
  const serving = findServing(facts.get(releaseFacts, stack), service);
  const isSo =
    chosen === undefined
      ? serving?.undoes?.length === 0 && serving.given === ""
      : serving?.id === runId;
  if (isSo) return;
  throw new HostkitError("proof_failed", {
    what:
      chosen === undefined
        ? `the run ended well, and it is still on record how ${service} came to its release`
        : `the run ended well, and release ${chosen.id} of ${service} does not serve`,
    where: host.name,
    next: `hostkit releases ${service}`,
  });
}

function describeDone(
  { colors }: Context,
  { host, service, chosen }: HostToRollBack,
  seconds: number,
): string {
  const done =
    chosen === undefined
      ? `the next provision may release ${service} again as the manifest says`
      : `${service} is back at release ${chosen.id} (${formatSeconds(seconds)}); \`hostkit provision\` does not undo that without a word`;
  return `${colors.green("✓")} ${host.name}: ${done}`;
}

function describe({ host, service, serving, chosen }: HostToRollBack): string {
  const tell = ({ id, image, begun, by }: ReleaseRecord): string =>
    `${id} (${plainText(image)}, ${formatTime(begun)} UTC${by === undefined ? "" : `, by ${plainText(by)}`})`;
  return chosen === undefined
    ? (serving.given ?? "") === ""
      ? `${host.name}: ${service} was gone back to ${serving.back ?? serving.id}; that is forgotten`
      : `${host.name}: ${service} was deployed with ${plainText(serving.given ?? "")}; that is forgotten`
    : `${host.name}: ${service}\n  from ${tell(serving)}\n  back to ${tell(chosen)}\n  secrets and settings come back as they were in that release; data does not`;
}

function print(context: Context, hosts: readonly HostToRollBack[], done: boolean): void {
  context.print(
    JSON.stringify({
      done,
      hosts: hosts.map(({ host, service, serving, chosen }) => ({
        ...{ host: host.name, service, from: serving.id },
        ...(chosen === undefined ? {} : { to: chosen.id }),
      })),
    }),
  );
}
