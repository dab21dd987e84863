import { HostkitError } from "../errors.ts";
import { need } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/files/file.ts";
import { lockFacts } from "../facts/lock.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import type { Connection } from "../ssh/connection.ts";
import { waitForCleanup } from "../host/cleanup.ts";
import { gatherFacts } from "../host/gather.ts";
import { assertRunOk, explainLocked } from "../host/outcome.ts";
import { planNeeds } from "../plan/plan.ts";
import { makeRemovalPlan } from "../plan/removals.ts";
import type { PlanInput } from "../plan/types.ts";
import { parseState, statePath } from "../plan/state.ts";
import { plainText } from "../report/terminal-text.ts";
import { describePlans, renderPlan } from "../report/plan.ts";
import {
  leftLookScript,
  readLeftLook,
  readRemovalLook,
  removalLookScript,
} from "../resources/packages/removal-look.ts";
import type { Found, LeftLook, RemovalLook } from "../resources/packages/removal-look.ts";
import type { Owned } from "../resources/resource.ts";
import type { Script } from "../shell/script.ts";
import type { Context } from "../session/context.ts";
import { confirmOrRefuse, executeRun, showRuns } from "../session/watch-run.ts";
import { settleHosts } from "../session/settle.ts";
import type { SeenHost } from "../session/settle.ts";
import type { Verb } from "./line/verb.ts";
import { collectResults, newMarker, openProject } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";

interface UninstallOptions {
  readonly yes?: boolean;
  readonly deleteData?: boolean;
}

interface HostToLeave extends SeenHost {
  /** The stack's folder is on the host: its removal was not begun, or did not end. */
  readonly isThere: boolean;
  readonly system: string;
  /** Who else has need of the packages; what data goes with them. */
  readonly look: RemovalLook;
  readonly owned: readonly Owned[];
  /** Ids of data that is there and would go with `--delete-data`. */
  readonly data: readonly string[];
}

/** What is there when all is done. */
interface End {
  readonly host: string;
  /** Ids of data that is still there. */
  readonly data: readonly string[];
  readonly look: LeftLook;
}

/** Takes away what hostkit owns on the hosts; the manifest only says which stack and which hosts. */
export const runUninstall: Verb<UninstallOptions> = async (context, options) => {
  const project = await openProject(context);
  const deleteData = options.deleteData === true;
  const connections: Connection[] = [];
  try {
    const seen = collectResults(
      project.hosts,
      await Promise.allSettled(
        project.hosts.map(async (host) => {
          const connection = await host.connect();
          connections.push(connection);
          return lookForRemoval(project, host, connection, deleteData);
        }),
      ),
    );
    const hosts = await settleHosts(context, project, seen, async ({ host, connection }) =>
      lookForRemoval(project, host, connection, deleteData),
    );
    showPlans(context, project, hosts, deleteData);
    const busy = hosts.filter(({ plan, isThere }) => plan.changes.length > 0 || isThere);
    if (busy.length > 0) await takeAway(context, project, busy, options);
    await Promise.all(
      busy.map(async ({ connection, plan }) =>
        waitForCleanup(connection, project.stackDirectory, plan.cleanup === "all"),
      ),
    );
    const ends = collectResults(
      project.hosts,
      await Promise.allSettled(hosts.map((each) => lookAgain(project, each))),
    );
    for (const end of ends) showEnd(context, end, deleteData);
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
};

function showPlans(
  context: Context,
  project: Project,
  hosts: readonly HostToLeave[],
  deleteData: boolean,
): void {
  if (context.options.json === true) {
    const plans = hosts.map(({ plan, system }) => ({ plan, system }));
    context.print(
      JSON.stringify({
        event: "plan",
        ...describePlans(project.manifest.stack, plans),
        looks: hosts.map(({ host, look }) => ({ host: host.name, ...look })),
      }),
    );
    return;
  }
  const style = { colors: context.colors, verbose: context.options.verbose === true };
  context.print(
    hosts
      .map((each) => [renderPlan(each, style), ...describeLook(each, deleteData)].join("\n"))
      .join("\n\n"),
  );
}

/** The question, and a run on every host that has something to lose. */
async function takeAway(
  context: Context,
  project: Project,
  busy: readonly HostToLeave[],
  options: UninstallOptions,
): Promise<void> {
  const question =
    options.deleteData === true
      ? "Take all this away, data and backups too? They cannot be brought back."
      : "Take all this away?";
  await confirmOrRefuse(context, question, options.yes === true);
  await showRuns(context, project, async (show) =>
    collectResults(
      busy.map(({ host }) => host),
      await Promise.allSettled(
        busy.map(async ({ host, connection, plan }) =>
          assertRunOk(await executeRun(context, project, host, connection, plan, show), host.name),
        ),
      ),
    ),
  );
}

function showEnd(context: Context, end: End, deleteData: boolean): void {
  if (context.options.json === true) {
    const kept = [...end.data, ...end.look.kept.map(({ what }) => what)];
    context.print(JSON.stringify({ event: "result", host: end.host, kept, look: end.look }));
  } else context.print(describeEnd(end, context.colors.green("✓"), deleteData));
}

async function lookForRemoval(
  project: Project,
  host: HostAccess,
  connection: Connection,
  deleteData: boolean,
): Promise<HostToLeave> {
  const { stackDirectory, manifest } = project;
  const state = need(textFacts, statePath(stackDirectory));
  const first = await gatherFacts(
    connection,
    [state, need(lockFacts, stackDirectory)],
    newMarker(),
  );
  const lockedBy = first.get(lockFacts, stackDirectory);
  if (lockedBy !== undefined) throw explainLocked(host.name, lockedBy);
  const owned = parseState(first.get(textFacts, statePath(stackDirectory)) ?? "");
  const facts = await gatherFacts(
    connection,
    [...planNeeds(stackDirectory, [], owned.values()), need(fileFacts, stackDirectory)],
    newMarker(),
  );
  const input = { host: host.name, stack: manifest.stack, stackDirectory, resources: [], facts };
  const plan = makeRemovalPlan({ ...input, deleteData });
  return {
    host,
    connection,
    plan,
    facts,
    isThere: facts.get(fileFacts, stackDirectory) !== undefined && plan.cleanup === "all",
    system: facts.get(systemFacts, systemSubject)?.prettyName ?? "",
    look: readRemovalLook(
      await readReply(connection, removalLookScript(stackDirectory, deleteData)),
    ),
    owned: [...owned.values()],
    data: listData(input),
  };
}

/** What `--delete-data` would take away, by the facts: it is there. */
function listData(input: PlanInput): string[] {
  const without = new Set(makeRemovalPlan({ ...input, deleteData: false }).changes.map(idOfChange));
  return makeRemovalPlan({ ...input, deleteData: true })
    .changes.map(idOfChange)
    .filter((id) => !without.has(id));
}

function idOfChange({ id }: { readonly id: string }): string {
  return id;
}

async function readReply(connection: Connection, script: Script): Promise<string> {
  const result = await connection.exec(script.text, { timeoutMs: 600_000 });
  if (result.code === 0) return result.stdout;
  throw new HostkitError("internal", {
    what: `the look at the host's packages did not run to its end (exit ${result.code ?? result.signal})`,
    where: connection.description,
    details: result.stderr.split("\n").slice(-10),
    next: "nothing was changed by the look; see what it says, and try again",
  });
}

/** The second look: nothing is said to be kept, or gone, that was not looked at. */
async function lookAgain(project: Project, each: HostToLeave): Promise<End> {
  const { stackDirectory, manifest } = project;
  const { host, connection, owned } = each;
  const namesOf = (kind: string): string[] =>
    owned.filter((entry) => entry.kind === kind).map(({ name }) => name);
  const accountsOf = (kind: string): string[] =>
    each.look.accounts.flatMap((account) =>
      account.startsWith(`${kind}:`) ? [account.slice(kind.length + 1)] : [],
    );
  const look = readLeftLook(
    await readReply(
      connection,
      leftLookScript(stackDirectory, {
        packages: each.look.packages,
        users: [...namesOf("user"), ...accountsOf("user")],
        groups: [...namesOf("user"), ...accountsOf("group")],
        units: owned
          .filter((entry) => entry.kind === "unit" && entry["ours"] === true)
          .map(({ name }) => name),
      }),
    ),
  );
  const facts = await gatherFacts(connection, planNeeds(stackDirectory, [], owned), newMarker());
  const state = facts.get(textFacts, statePath(stackDirectory)) ?? "";
  const data =
    state === ""
      ? []
      : listData({ host: host.name, stack: manifest.stack, stackDirectory, resources: [], facts });
  return { host: host.name, data, look };
}

/** What an agreement is about, besides the changes. */
function describeLook({ look, data, plan }: HostToLeave, deleteData: boolean): string[] {
  if (plan.changes.length === 0) return [];
  const lines: string[] = [];
  if (look.stays.length > 0)
    lines.push(
      "",
      "  packages that stay, with all that they need:",
      ...look.stays.map(renderFound),
    );
  if (deleteData) {
    const going = [...data.map((id) => ({ what: id, why: "" })), ...look.data];
    if (going.length > 0)
      lines.push("", "  data that is deleted for ever:", ...going.map(renderFound));
  } else if (data.length > 0) {
    lines.push("", "  data that is kept:", ...data.map((id) => `    ${id}`));
  }
  return lines.map(plainText);
}

function renderFound({ what, why }: Found): string {
  return why === "" ? `    ${what}` : `    ${what}: ${why}`;
}

function describeEnd({ host, data, look }: End, mark: string, deleteData: boolean): string {
  const lines: string[] = [];
  if (data.length > 0) lines.push("  kept, because it is data:", ...data.map((id) => `    ${id}`));
  const reasoned = look.kept.filter(({ why }) => !why.startsWith("needed by "));
  const others = look.kept.length - reasoned.length;
  if (reasoned.length > 0) lines.push("  still there:", ...reasoned.map(renderFound));
  if (others > 0) lines.push(`    and ${others} more that those need`);
  if (look.handed.length > 0) {
    const stacks = [...new Set(look.handed.map(({ why }) => why))].join(", ");
    lines.push(
      `  now of the stack ${stacks}, which needs it: ${look.handed.map(({ what }) => what.replace(/^package /, "")).join(", ")}`,
    );
  }
  if (look.left.length > 0)
    lines.push("  there, although it should be gone:", ...look.left.map((what) => `    ${what}`));
  if (lines.length === 0 && look.isRemembered)
    lines.push("  hostkit's folder of the stack is still there");
  if (lines.length === 0) return `${mark} ${host}: nothing of hostkit is left`;
  if (!deleteData && (data.length > 0 || look.kept.length > 0))
    lines.push("  hostkit uninstall --delete-data removes what of this is hostkit's");
  return [`${mark} ${host}: uninstalled, and looked at again`, ...lines.map(plainText)].join("\n");
}
