import path from "node:path";
import { HostkitError } from "../errors.ts";
import type { RestoreChoice } from "../facts/backups/restored-from.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import type { Connection } from "../ssh/connection.ts";
import type { Inspection } from "../host/inspect.ts";
import { lookCloser } from "../host/obstacles.ts";
import { assertRunOk, explainLocked } from "../host/outcome.ts";
import { proofNeeds, proveHost } from "../host/prove.ts";
import { readJson } from "../local/output.ts";
import { describeOutside, describePlans } from "../report/plan.ts";
import type { PlanDocument } from "../report/plan.ts";
import { formatSeconds } from "../report/duration.ts";
import { describeStatus, renderStatus } from "../report/status.ts";
import { readStatus, statusNeeds } from "../session/host-status.ts";
import { layersGone } from "../resources/containers/load.ts";
import type { Context } from "../session/context.ts";
import type { Verb } from "./line/verb.ts";
import { collectResults, newMarker, openProject, withConnections } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";
import { checkRestoreFrom, lookForRestore } from "../session/restore-from.ts";
import { pagePlan, showPlanPages } from "../session/plan-pages.ts";
import { scopeOf } from "../session/scope.ts";
import type { RunOptions } from "../session/watch-run.ts";
import { settleHosts } from "../session/settle.ts";
import { showTimings } from "../session/timings.ts";
import { inspect, readWanted } from "../session/wanted.ts";

interface ProvisionOptions {
  readonly yes?: boolean;
  readonly plan?: string;
  readonly only?: readonly string[];
  readonly details?: boolean;
  readonly restoreFrom?: string;
}

/** One host on its way through a provision. */
interface HostToProvision {
  readonly host: HostAccess;
  readonly connection: Connection;
  readonly inspection: Inspection;
  /** What a run would fail at. */
  readonly obstacles: readonly HostkitError[];
  /** What the closer look saw. */
  readonly closer: Facts;
  /** What the plan brings back of a stack that was elsewhere, in words. */
  readonly about: readonly string[];
}

interface ProvisionResult {
  readonly changed: boolean;
  readonly seconds: number;
}

/** Plan, question, run, proof; on every host at once. */
export const runProvision: Verb<ProvisionOptions> = async (context, options) =>
  provision(context, await openProject(context), options);

/** The same for a project that is open, whose manifest may be another than its file. */
export async function provision(
  context: Context,
  project: Project,
  options: ProvisionOptions,
): Promise<void> {
  const startedAt = performance.now();
  const expected =
    options.plan === undefined ? undefined : await readPlanFile(context, options.plan);
  const only = options.only ?? expected?.only;
  const scope = scopeOf(project.manifest, only);
  if (options.restoreFrom !== undefined) checkRestoreFrom(project, options.restoreFrom, only);
  await withConnections(project.hosts, async (visit) => {
    const wanted = await readWanted(context, project);
    const look = (
      connection: Connection | Promise<Connection>,
      host: HostAccess,
      certificates: boolean,
      { more = [], restoreFrom }: { more?: readonly FactNeed[]; restoreFrom?: RestoreChoice } = {},
    ) =>
      inspect(context, project, wanted, connection, host, {
        ...scope,
        ...(restoreFrom === undefined ? {} : { restoreFrom }),
        alsoAsk: [...statusNeeds(project.manifest, { certificates, alone: false }), ...more],
      });
    const lookAt = async (
      opening: Connection | Promise<Connection>,
      host: HostAccess,
    ): Promise<HostToProvision> => {
      const { inspection, about } = await lookForRestore(
        project,
        opening,
        options.restoreFrom,
        async (restoreFrom) =>
          look(opening, host, false, restoreFrom === undefined ? {} : { restoreFrom }),
      );
      const connection = await opening;
      const { plan, obstacles, closer } = await lookCloser(
        connection,
        project.manifest,
        inspection,
        newMarker(),
      );
      return { host, connection, inspection: { ...inspection, plan }, obstacles, closer, about };
    };
    const seen = collectResults(
      project.hosts,
      await Promise.allSettled(
        project.hosts.map((host) => visit(host, async (opening) => lookAt(opening, host))),
      ),
    );
    const hosts = await settleHosts(
      context,
      project,
      seen.map((each) => ({ ...each, ...each.inspection })),
      async ({ connection, host }) => {
        const each = await lookAt(connection, host);
        return { ...each, ...each.inspection };
      },
    );
    if (expected !== undefined) refuseOtherPlan(hosts, expected, options.plan ?? "");
    const busy = hosts.filter(({ inspection }) => inspection.plan.changes.length > 0);
    for (const each of busy) refuseObstacles(each);
    showPlans(context, project, hosts, options.details);
    if (busy.length > 0)
      await carryOut(context, project, busy, options.yes === true, ({ connection, host }) =>
        lookAt(connection, host),
      );
    const proofs = await proveAll(context, project, hosts, async (each) =>
      look(each.connection, each.host, mayHaveNewCertificates(each), { more: proofNeeds }),
    );
    showSummary(context, project, proofs, {
      changed: busy.length > 0,
      seconds: (performance.now() - startedAt) / 1000,
    });
  });
  await showTimings(context);
}

/** The question, and a run on every host that has something to do. */
async function carryOut(
  context: Context,
  project: Project,
  busy: readonly HostToProvision[],
  isAgreed: boolean,
  lookAgain: (each: HostToProvision) => Promise<HostToProvision>,
): Promise<void> {
  const { confirmOrRefuse } = await import("../session/watch-run.ts");
  await confirmOrRefuse(context, `Make these changes?`, isAgreed);
  const { DeliveredImages } = await import("../session/built-images.ts");
  const images = new DeliveredImages(context, project);
  try {
    // No host is touched before all that is built elsewhere is there.
    await images.build(busy.map(({ inspection }) => inspection.plan));
    const short = await runAll(context, project, busy, { images });
    if (short.length === 0) return;
    const again = collectResults(
      short.map(({ host }) => host),
      await Promise.allSettled(short.map(lookAgain)),
    );
    for (const each of again) refuseObstacles(each);
    await runAll(context, project, again, { images, isWhole: true });
  } finally {
    await images.clear();
  }
}

/** @returns hosts whose run lacked layers that were there when it was looked */
async function runAll(
  context: Context,
  project: Project,
  busy: readonly HostToProvision[],
  options: RunOptions,
): Promise<HostToProvision[]> {
  const { executeRun, showRuns } = await import("../session/watch-run.ts");
  const runs = await showRuns(context, project, async (show) =>
    collectResults(
      busy.map(({ host }) => host),
      await Promise.allSettled(
        busy.map(async (each) => {
          const { host, connection, inspection } = each;
          const { plan } = inspection;
          const outcome = await executeRun(context, project, host, connection, plan, show, options);
          const isShort =
            options.isWhole !== true &&
            outcome.failed.some(({ id, code }) => id.startsWith("image:") && code === layersGone);
          if (isShort)
            show.notice(host.name, "layers that the host had are gone; all are sent now");
          else assertRunOk(outcome, host.name);
          return { outcome, short: isShort ? [each] : [] };
        }),
      ),
    ),
  );
  project.log.info("runs ended", {
    runs: runs.map(({ outcome: { run, seconds } }) => ({ id: run.runId, seconds })),
  });
  return runs.flatMap(({ short }) => short);
}

/** Where something was changed the host is looked at again; elsewhere it was just looked at. */
async function proveAll(
  context: Context,
  project: Project,
  hosts: readonly HostToProvision[],
  lookAgain: (each: HostToProvision) => Promise<Inspection>,
): Promise<(HostToProvision & { readonly notes: readonly string[] })[]> {
  return collectResults(
    project.hosts,
    await Promise.allSettled(
      hosts.map(async (each) => {
        if (each.inspection.plan.changes.length === 0) return { ...each, notes: [] };
        const inspection = await lookAgain(each);
        const proved = context.timings.begin(each.host.name, "try every port from outside");
        const notes = await prove(project, each, inspection);
        proved();
        return { ...each, inspection, notes };
      }),
    ),
  );
}

/** Asking for certificates takes a TLS handshake for each site. */
function mayHaveNewCertificates({ inspection }: HostToProvision): boolean {
  return inspection.plan.changes.some(({ touches }) => touches?.includes("certificates") === true);
}

async function prove(
  project: Project,
  { host, inspection: before }: HostToProvision,
  inspection: Inspection,
): Promise<readonly string[]> {
  const { address, port, isDirect } = host.route();
  return await proveHost(inspection, {
    manifest: project.manifest,
    host: host.name,
    sshPort: port,
    changed: new Set(before.plan.changes.map(({ id }) => id)),
    ...(isDirect ? { address } : {}),
  });
}

async function readPlanFile(context: Context, file: string): Promise<PlanDocument> {
  const value = (await readJson(
    path.resolve(context.terminal.workingDirectory, file),
  )) as Partial<PlanDocument> | null;
  if (value?.version === 1 && Array.isArray(value.hosts)) return value as PlanDocument;
  throw new HostkitError("usage", {
    what: `${file} is not a plan`,
    next: `make one with: hostkit plan --out ${file}`,
  });
}

/** What was looked at and agreed to is what is done, or nothing is. */
function refuseOtherPlan(
  hosts: readonly HostToProvision[],
  expected: PlanDocument,
  file: string,
): void {
  const only = expected.only === undefined ? "" : ` --only ${expected.only.join(",")}`;
  const next = `look at the new plan: hostkit plan${only} --out ${file}`;
  for (const { host, inspection } of hosts) {
    const planned = expected.hosts.find((entry) => entry.host === host.name);
    if (planned === undefined) {
      throw new HostkitError("plan_stale", {
        what: `${file} has no plan for ${host.name}`,
        why: `it was made for ${expected.hosts.map((entry) => entry.host).join(", ")}; nothing was changed`,
        next,
      });
    }
    if (planned.fingerprint === inspection.plan.fingerprint) continue;
    const before = new Set(planned.changes.map((change) => `${change.action} ${change.id}`));
    const now = new Set(inspection.plan.changes.map((change) => `${change.action} ${change.id}`));
    const details = [
      ...[...now].filter((line) => !before.has(line)).map((line) => `new: ${line}`),
      ...[...before].filter((line) => !now.has(line)).map((line) => `gone: ${line}`),
    ];
    throw new HostkitError("plan_stale", {
      what: "the plan is no longer the one in the file",
      where: `${host.name}, ${file}`,
      why: "the host, the manifest or a file it names has changed since; nothing was changed now",
      details:
        details.length > 0 ? details.slice(0, 20) : ["the same changes, but with other content"],
      next,
    });
  }
}

function refuseObstacles({ host, inspection, obstacles }: HostToProvision): void {
  if (inspection.lockedBy !== undefined) throw explainLocked(host.name, inspection.lockedBy);
  const [first, ...others] = obstacles;
  if (first === undefined) return;
  if (others.length === 0) throw first;
  throw new HostkitError(first.code, {
    ...first.parts,
    details: [
      ...(first.parts.details ?? []),
      ...others.flatMap(({ parts }) => [
        `also: ${parts.what}`,
        ...(parts.details ?? []).map((line) => `  ${line}`),
        ...(parts.next === undefined ? [] : [`  next: ${parts.next}`]),
      ]),
    ],
  });
}

function showPlans(
  context: Context,
  project: Project,
  hosts: readonly HostToProvision[],
  details: boolean | undefined,
): void {
  const plans = hosts.map(({ inspection, closer }) =>
    pagePlan(project.manifest, { ...inspection, closer, obstacles: [] }),
  );
  const about = hosts.flatMap((each) => each.about);
  if (context.options.json === true) {
    context.print(
      JSON.stringify({
        event: "plan",
        ...describePlans(project.manifest.stack, plans),
        ...(about.length === 0 ? {} : { restores: about }),
      }),
    );
    return;
  }
  const changed = plans.filter(({ plan }) => plan.changes.length > 0);
  if (about.length > 0) context.print(`${about.join("\n")}\n`);
  if (changed.length > 0) context.print(`${showPlanPages(context, changed, details)}\n`);
}

function showSummary(
  context: Context,
  project: Project,
  hosts: readonly (HostToProvision & { readonly notes: readonly string[] })[],
  result: ProvisionResult,
): void {
  const shown = hosts.map(({ host, connection, inspection }) => ({
    status: readStatus(project.manifest, host.name, connection.description, inspection.facts),
    now: inspection.facts.get(systemFacts, systemSubject)?.time ?? 0,
  }));
  if (context.options.json === true) {
    context.print(
      JSON.stringify({
        event: "result",
        changed: result.changed,
        seconds: Number(result.seconds.toFixed(3)),
        hosts: shown.map(({ status }) => describeStatus(status)),
        notes: hosts.flatMap(({ host, notes }) => notes.map((note) => ({ host: host.name, note }))),
      }),
    );
    return;
  }
  const { yellow } = context.colors;
  context.print(describeResult(context, hosts, result));
  const outside = hosts.flatMap(({ host, inspection }) =>
    describeOutside(inspection.plan).map((line) => `${host.name}: ${line}`),
  );
  if (outside.length > 0) context.print(`${outside.join("\n")}\n`);
  const notes = hosts.flatMap(({ host, notes: own }) => own.map((note) => `${host.name}: ${note}`));
  if (notes.length > 0)
    context.print(`${notes.map((note) => `${yellow("!")} ${note}`).join("\n")}\n`);
  context.print(
    shown.map(({ status, now }) => renderStatus(status, now, context.colors)).join("\n\n"),
  );
}

function describeResult(
  context: Context,
  hosts: readonly HostToProvision[],
  result: ProvisionResult,
): string {
  const { green } = context.colors;
  const names = hosts.map(({ host }) => host.name).join(", ");
  const label = hosts[0]?.inspection.plan.part?.label;
  const about = label === undefined ? "" : ` for ${label}`;
  return result.changed
    ? `\n${green("✓")} ${names}: provisioned in ${formatSeconds(result.seconds)}; looked at again, nothing is left to change${about}\n`
    : `${green("✓")} ${names}: nothing to change${about} (${formatSeconds(result.seconds)})\n`;
}
