import { readFile } from "node:fs/promises";
import { exitCodes, HostkitError } from "../errors.ts";
import { drillFacts } from "../facts/backups/drill.ts";
import type { DrillRecord } from "../facts/backups/drill.ts";
import { need } from "../facts/fact.ts";
import { gatherFacts } from "../host/gather.ts";
import { recordExpiry } from "../session/expiry-notes.ts";
import { readExpiryNotes, writeExpiryNotes } from "../local/expiry-record.ts";
import type { ExpiryNote } from "../local/expiry-record.ts";
import { requireKeeperPrograms, withKeeper } from "../local/keeper.ts";
import type { Keeper } from "../local/keeper.ts";
import { invalidManifest } from "../local/manifest.ts";
import { explainFileError, resolvePath } from "../local/paths.ts";
import { readSecrets } from "../local/secrets/read-secrets.ts";
import type { Repository } from "../manifest/manifest.ts";
import { doubtExpiry, refuseLast, refuseUnlisted } from "../plan/expiry.ts";
import type { ExpiryLook } from "../plan/expiry.ts";
import { describeExpiry, describeLeft, nameKept } from "../report/expiry.ts";
import type { Context } from "../session/context.ts";
import { holdBackups } from "../session/hold-backups.ts";
import type { HeldBackups } from "../session/hold-backups.ts";
import { newMarker, onEachHost, openProject } from "../session/project.ts";
import type { Project } from "../session/project.ts";
import { confirmOrRefuse } from "../session/watch-run.ts";
import { chooseKept, describeKept, keeperNeeds } from "../stack/backups/keeper.ts";
import type { Values } from "../stack/backups/storages/storage.ts";
import type { Verb } from "./line/verb.ts";

interface ExpireOptions {
  readonly dryRun?: true;
  readonly yes?: true;
  readonly anyway?: true;
  readonly withoutHost?: true;
}

/** A look, and what speaks against removing what it shows. */
interface Judged {
  readonly keeper: Keeper;
  readonly look: ExpiryLook;
  readonly doubts: readonly string[];
}

/** Removes old backups from append-only repositories, with programs and credentials of this machine. */
export const runBackupExpire: Verb<ExpireOptions> = async (context, options, names) => {
  const project = await openProject(context);
  const { manifest } = project;
  const { environment } = context.terminal;
  // The hosts that write there would not wait.
  if (project.isLab)
    throw new HostkitError("usage", {
      what: "old backups are not removed for lab twins",
      why: "the repositories of the manifest are those of its hosts, whose backups have to wait meanwhile",
      next: "the same command without --lab",
    });
  const repositories = chooseKept(manifest, names);
  const uses = (tool: "postgres" | "files", list = repositories) =>
    list.some(({ name }) => manifest.backups?.[tool]?.repositories.includes(name));
  const bySftp = repositories.filter((one) => keeperNeeds(one).identity !== undefined);
  await requireKeeperPrograms(environment, {
    ...{ postgres: uses("postgres"), files: uses("files") },
    ...{ sftp: bySftp.length > 0, postgresBySftp: uses("postgres", bySftp) },
  });
  const values = await readValues(context, project, repositories);
  const work = (held?: HeldBackups) =>
    withKeepers(context, project, repositories, values, (keepers) =>
      expire(context, project, options, keepers, held),
    );
  const isHeld = options.withoutHost !== true && options.dryRun !== true;
  return isHeld ? holdBackups(project, work) : work();
};

/** Opens one repository after the other, and all of them before anything is asked. */
async function withKeepers<T>(
  context: Context,
  project: Project,
  [first, ...others]: readonly Repository[],
  values: Values,
  work: (keepers: readonly Keeper[]) => Promise<T>,
): Promise<T> {
  if (first === undefined) return work([]);
  const { manifest } = project;
  return withKeeper(
    context.terminal.environment,
    manifest.stack,
    (folder) => describeKept(manifest, first.name, values, folder),
    (keeper) => withKeepers(context, project, others, values, (rest) => work([keeper, ...rest])),
  );
}

async function expire(
  context: Context,
  project: Project,
  options: ExpireOptions,
  keepers: readonly Keeper[],
  held: HeldBackups | undefined,
): Promise<number> {
  const { stack } = project.manifest;
  const notes = await readExpiryNotes(context.terminal.environment, stack);
  const proved = options.withoutHost === true ? undefined : await readProved(project);
  const judged = (
    await Promise.all(keepers.map((keeper) => judge(project, keeper, notes, proved)))
  ).flat();
  const isJson = context.options.json === true;
  if (!isJson) for (const one of judged) showJudged(context, one);
  const isDoubtful = judged.some(({ doubts }) => doubts.length > 0);
  const work = judged.filter(({ look }) => look.goes.length > 0 || look.unlisted.length > 0);
  if (options.dryRun === true) {
    if (isJson) printJson(context, stack, judged, undefined);
    for (const { look } of judged) refuseLast(look);
    return isDoubtful ? exitCodes.failed : exitCodes.ok;
  }
  for (const { look } of judged) refuseLast(look);
  if (held === undefined) for (const { look } of work) refuseUnlisted(look, Date.now() / 1000);
  if (isDoubtful && options.anyway !== true) throw explainDoubts(judged);
  if (work.length > 0) {
    await confirmOrRefuse(context, question(work), options.yes === true);
    for (const { keeper, look } of work) {
      held?.requireHeld();
      await requireUnchanged(keeper, look);
      await keeper.remove(look);
    }
  }
  const left = (await Promise.all(keepers.map((keeper) => keeper.look()))).flat();
  await settle(context, project, left, options);
  if (isJson) printJson(context, stack, judged, left);
  else for (const look of left) context.print(describeLeft(look, context.colors));
  return left.every(({ goes }) => goes.length === 0) ? exitCodes.ok : exitCodes.failed;
}

async function judge(
  { manifest }: Project,
  keeper: Keeper,
  notes: readonly ExpiryNote[],
  drills: readonly DrillRecord[] | undefined,
): Promise<Judged[]> {
  const looks = await keeper.look();
  return looks.map((look) => {
    const isOfLook = ({ repository, tool }: Pick<ExpiryNote, "repository" | "tool">): boolean =>
      repository === look.repository && tool === look.tool;
    const last = notes.find(isOfLook);
    const measure = {
      ...{ manifest, now: Date.now() / 1000 },
      ...(last === undefined ? {} : { last }),
      ...(drills === undefined
        ? {}
        : { proved: drills.filter(isOfLook).map(({ label }) => label) }),
    };
    return { keeper, look, doubts: doubtExpiry(look, measure) };
  });
}

/** The drills of all hosts that went well. */
async function readProved({ hosts, manifest }: Project): Promise<DrillRecord[]> {
  const facts = await onEachHost(hosts, (connection) =>
    gatherFacts(connection, [need(drillFacts, manifest.stack)], newMarker()),
  );
  return facts.flatMap((one) =>
    (one.get(drillFacts, manifest.stack)?.records ?? []).filter(({ outcome }) => outcome === "ok"),
  );
}

function showJudged(context: Context, { look, doubts }: Judged): void {
  context.print(describeExpiry(look, doubts, context.colors).join("\n"));
}

function question(work: readonly Judged[]): string {
  const count = work.reduce((sum, { look }) => sum + look.goes.length + look.unlisted.length, 0);
  const names = [...new Set(work.map(({ look }) => look.repository))];
  return `Remove ${count} backup${count === 1 ? "" : "s"} from ${names.join(", ")}? They cannot be brought back.`;
}

function explainDoubts(judged: readonly Judged[]): HostkitError {
  return new HostkitError("run_failed", {
    what: "the backups are not as the schedules make them; nothing was removed",
    why: "whoever takes a host over can make so many backups that the good ones are counted out",
    details: judged.flatMap(({ look, doubts }) =>
      doubts.map((doubt) => `${nameKept(look)}: ${doubt}`),
    ),
    next: "look whether the newest ones are good (hostkit backup verify) and who made them; where all is well: the same command with --anyway",
  });
}

/** What was shown and agreed to is what goes. */
async function requireUnchanged(keeper: Keeper, shown: ExpiryLook): Promise<void> {
  const now = (await keeper.look()).find(({ tool }) => tool === shown.tool);
  if (now !== undefined && JSON.stringify(now) === JSON.stringify(shown)) return;
  throw new HostkitError("plan_stale", {
    what: `${nameKept(shown)}: it is not as it was shown any more`,
    why: "somebody has written there meanwhile; nothing was removed from it",
    next: "the same command again",
  });
}

/** Writes down here and on the hosts what is left. */
async function settle(
  context: Context,
  project: Project,
  left: readonly ExpiryLook[],
  options: ExpireOptions,
): Promise<void> {
  const time = Math.floor(Date.now() / 1000);
  const { stack } = project.manifest;
  await writeExpiryNotes(
    context.terminal.environment,
    stack,
    left.map(({ repository, tool, backups }) => ({
      ...{ stack, repository, tool, time },
      left: backups.map(({ label }) => label),
    })),
  );
  if (options.withoutHost === true) return;
  await recordExpiry(context, project, [...new Set(left.map(({ repository }) => repository))]);
}

function printJson(
  context: Context,
  stack: string,
  judged: readonly Judged[],
  left: readonly ExpiryLook[] | undefined,
): void {
  const repositories = judged.map(({ look, doubts }) => {
    const after = left?.find(
      ({ repository, tool }) => repository === look.repository && tool === look.tool,
    );
    return {
      ...{ repository: look.repository, tool: look.tool },
      goes: look.backups.filter(({ label }) => look.goes.includes(label)),
      stays: look.backups.filter(({ label }) => !look.goes.includes(label)),
      ...{ unlisted: look.unlisted, doubts },
      ...(after === undefined ? {} : { left: after.backups }),
    };
  });
  context.print(JSON.stringify({ stack, done: left !== undefined, repositories }, undefined, 2));
}

/** @throws HostkitError manifest_invalid, file_missing */
async function readValues(
  context: Context,
  { loaded, manifest }: Project,
  repositories: readonly Repository[],
): Promise<Values> {
  const { environment } = context.terminal;
  const needs = repositories.map(keeperNeeds);
  const names = new Set(needs.flatMap((one) => one.secrets));
  const { secrets, problems } = await readSecrets(loaded, manifest, environment, names);
  for (const value of secrets.values()) context.redactor.add(value);
  if (problems.some(({ severity }) => severity === "error"))
    throw invalidManifest(loaded, problems);
  const texts = new Map<string, string>();
  for (const { identity } of needs) {
    if (identity === undefined) continue;
    const file = resolvePath(identity, loaded.folder, environment["HOME"]);
    const text = await readFile(file, "utf8").catch((cause: unknown) => {
      throw new HostkitError(
        "file_missing",
        { what: `the key ${identity} cannot be read`, why: explainFileError(cause) },
        { cause },
      );
    });
    context.redactor.add(text);
    texts.set(identity, text);
  }
  return { secrets, texts };
}
