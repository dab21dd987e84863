import { HostkitError } from "../../errors.ts";
import { keptFacts } from "../../facts/backups/restore-places.ts";
import { need } from "../../facts/fact.ts";
import { clockFacts, clockSubject } from "../../facts/system/clock.ts";
import { gatherFacts } from "../../host/gather.ts";
import { assertRunOk } from "../../host/outcome.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { servicesOf } from "../../manifest/services.ts";
import type { FileDifference } from "../../plan/restore/file-difference.ts";
import { makeOperation } from "../../plan/operation.ts";
import { isWithin, planDiscard } from "../../plan/restore/files.ts";
import { formatUtc, parseMoment } from "../../plan/restore/moment.ts";
import { renderFileRestore, renderKept } from "../../report/file-restore.ts";
import { formatTime } from "../../report/duration.ts";
import type { Context } from "../../session/context.ts";
import { carryOutFileRestore, lookAtFileRestore } from "../../session/file-restore.ts";
import type { FileRestorePlan, FileRestoreRequest } from "../../session/file-restore.ts";
import { chooseOneHost } from "../../session/one-host.ts";
import { newMarker, onEachHost, openProject } from "../../session/project.ts";
import type { Project } from "../../session/project.ts";
import { confirmOrRefuse, executeRun, showRuns } from "../../session/watch-run.ts";
import type { Connection } from "../../ssh/connection.ts";
import { volumeNameOf, volumePath } from "../../stack/names.ts";
import type { Verb } from "../line/verb.ts";

interface RestoreOptions {
  readonly to?: string;
  readonly into?: string;
  readonly from?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** Files and folders of a host, from restic. */
export const runRestoreFiles: Verb<RestoreOptions> = async (context, options, words) => {
  const paths = [...new Set(words.map(readPath))];
  const project = await openProject(context);
  const { into } = readPlaces(options);
  const nested = paths.find((path) =>
    paths.some((other) => other !== path && isWithin(path, other)),
  );
  if (nested !== undefined)
    throw new HostkitError("usage", { what: `${nested} lies in another folder that is named` });
  await restore(context, project, options, {
    verb: ["restore", "files", ...paths].join(" "),
    items: paths.map((path) => ({ path, to: into === undefined ? path : into + path })),
    services: into === undefined ? usersOf(project.manifest, paths) : [],
  });
};

/** A Docker volume of the stack, from restic. */
export const runRestoreVolume: Verb<RestoreOptions> = async (context, options, [name = ""]) => {
  const project = await openProject(context);
  const { stack, backups } = project.manifest;
  const known = backups?.files?.volumes ?? [];
  if (!known.includes(name))
    throw new HostkitError("usage", {
      what: `no volume ${JSON.stringify(name)} is backed up`,
      why: `the manifest's backups have: ${known.join(", ") || "no volume at all"}`,
      next: "backups.files.volumes names them (docs/manifest/backups.md)",
    });
  const { into } = readPlaces(options);
  const path = volumePath(stack, name);
  await restore(context, project, options, {
    verb: `restore volume ${name}`,
    items: [{ path, to: into === undefined ? path : `${into}/${name}` }],
    services: into === undefined ? usersOfVolume(project.manifest, name) : [],
    ...(into === undefined ? { volume: volumeNameOf(stack, name) } : {}),
  });
};

/** Takes away what was kept. Without a name: of all restores. */
export const runRestoreDiscard: Verb<{ readonly yes?: boolean }> = async (
  context,
  options,
  runs,
) => {
  const project = await openProject(context);
  const host = chooseOneHost(project, "hostkit restore discard");
  const { stack } = project.manifest;
  await onEachHost([host], async (connection) => {
    const facts = await gatherFacts(connection, [need(keptFacts, stack)], newMarker());
    const all = facts.get(keptFacts, stack) ?? [];
    const stranger = runs.find((run) => !all.some((kept) => kept.run === run));
    if (stranger !== undefined)
      throw new HostkitError("usage", {
        what: `nothing is kept of a restore ${JSON.stringify(stranger)}`,
        details: [...new Set(all.map(({ run }) => run))],
      });
    const chosen = all.filter(({ run }) => runs.length === 0 || runs.includes(run));
    const isJson = context.options.json === true;
    if (!isJson) context.print(renderKept(chosen).join("\n") || "nothing is kept");
    if (chosen.length > 0) {
      await confirmOrRefuse(context, "Remove this for ever?", options.yes === true);
      const plan = makeOperation({
        ...{ verb: "restore discard", host: host.name, stack },
        stackDirectory: project.stackDirectory,
        steps: planDiscard([...new Set(chosen.map(({ run }) => run))]),
      });
      const outcome = await showRuns(
        context,
        project,
        (show) => executeRun(context, project, host, connection, plan, show),
        "live-only",
      );
      assertRunOk(outcome, host.name);
      const after = await gatherFacts(connection, [need(keptFacts, stack)], newMarker());
      const left = (after.get(keptFacts, stack) ?? []).filter(({ run }) =>
        chosen.some((one) => one.run === run),
      );
      if (left.length > 0)
        throw new HostkitError("proof_failed", {
          what: "the run ended well, and what was kept is still there",
          where: host.name,
          details: renderKept(left),
        });
    }
    if (isJson) context.print(JSON.stringify({ host: host.name, removed: chosen }));
    else if (chosen.length > 0) context.print(`${context.colors.green("✓")} removed`);
  });
};

async function restore(
  context: Context,
  project: Project,
  options: RestoreOptions,
  asked: Omit<FileRestoreRequest, "isOver" | "until" | "from">,
): Promise<void> {
  const host = chooseOneHost(project, `hostkit ${asked.verb}`);
  const isJson = context.options.json === true;
  await onEachHost([host], async (connection) => {
    const request: FileRestoreRequest = {
      ...asked,
      isOver: options.into === undefined,
      ...(options.to === undefined ? {} : { until: await readTime(connection, options.to) }),
      ...(options.from === undefined ? {} : { from: options.from }),
    };
    const look = await lookAtFileRestore(project, connection, request);
    const { plan, time, differences } = look;
    if (!isJson)
      context.print(renderFileRestore(host.name, plan, time, differences, context.colors));
    if (options.dryRun === true) {
      if (isJson) context.print(describe(host.name, look));
      return;
    }
    await confirmOrRefuse(
      context,
      request.isOver ? "Put this in the place of what is there?" : "Restore this?",
      options.yes === true,
    );
    const result = await carryOutFileRestore(
      context,
      project,
      host,
      connection,
      request.verb,
      plan,
    );
    if (isJson) context.print(describe(host.name, look, result));
    else showRestored(context, host.name, look, result);
  });
}

function showRestored(
  context: Context,
  host: string,
  { plan, time }: FileRestorePlan,
  { kept, run, units }: Awaited<ReturnType<typeof carryOutFileRestore>>,
): void {
  const done = context.colors.green("✓");
  for (const { to } of plan.items)
    context.print(`${done} ${host}: ${to} is that of ${formatTime(time / 1000)} UTC`);
  for (const { unit, activeState } of units)
    context.print(`${done} ${host}: ${unit} is ${activeState}`);
  const further =
    kept.length === 0 ? [] : [`  remove it when you are sure: hostkit restore discard ${run}`];
  context.print([...renderKept(kept), ...further].join("\n"));
}

function describe(
  host: string,
  { plan, time, differences }: FileRestorePlan,
  result?: object,
): string {
  const { repository, snapshot, items, units } = plan;
  return JSON.stringify({
    done: result !== undefined,
    ...{ host, repository, snapshot: snapshot.id, time: time / 1000, units },
    items: items.map((item, index) => ({ ...item, ...summarize(differences[index]) })),
    ...(result === undefined ? {} : { result }),
  });
}

const maxListed = 1000;

function summarize(difference: FileDifference | undefined): object {
  if (difference === undefined) return {};
  const { added, changed, removed } = difference;
  return {
    counts: { added: added.length, changed: changed.length, removed: removed.length },
    added: added.slice(0, maxListed),
    changed: changed.slice(0, maxListed),
    removed: removed.slice(0, maxListed),
  };
}

/** Services that have something mounted which would be replaced under them: they would go on with what was there. */
function usersOf(manifest: Manifest, paths: readonly string[]): string[] {
  const touches = (source: string): boolean =>
    paths.some((path) => isWithin(source, path) || isWithin(path, source));
  return servicesOf(manifest)
    .filter(({ volumes }) => volumes.some((one) => one.kind === "bind" && touches(one.source)))
    .map(({ name }) => name);
}

function usersOfVolume(manifest: Manifest, volume: string): string[] {
  return servicesOf(manifest)
    .filter(({ volumes }) => volumes.some((one) => one.kind === "named" && one.name === volume))
    .map(({ name }) => name);
}

function readPlaces({ into }: RestoreOptions): { readonly into?: string } {
  return into === undefined ? {} : { into: readPath(into) };
}

/** @throws HostkitError usage for what is no absolute path to something below the root */
function readPath(word: string): string {
  const path = word.replaceAll(/\/+/g, "/").replace(/\/$/, "");
  const isPlain =
    path.startsWith("/") &&
    !/[\p{Cc}]/u.test(path) &&
    !path.split("/").some((part) => part === "." || part === "..");
  if (isPlain) return path;
  throw new HostkitError("usage", {
    what: `${JSON.stringify(word)} is no path on the host`,
    why: "it begins with / and has no . or .. in it, and is not the root itself",
  });
}

/** By the host's clock and zone. @throws HostkitError usage */
async function readTime(connection: Connection, text: string): Promise<number> {
  const facts = await gatherFacts(connection, [need(clockFacts, clockSubject)], newMarker());
  const { now, zone } = facts.get(clockFacts, clockSubject) ?? { now: 0, zone: "" };
  const moment = parseMoment(text, { now: now * 1000, zone });
  const isPast = "milliseconds" in moment && moment.milliseconds <= now * 1000;
  if (isPast) return moment.milliseconds;
  const hint = "milliseconds" in moment ? undefined : moment.next;
  throw new HostkitError("usage", {
    what: `--to: ${"wrong" in moment ? moment.wrong : `${text} is in the future`}`,
    why: `on the host it is ${formatUtc(now * 1000)} UTC${zone === "" ? "" : `, its zone is ${zone}`}`,
    ...(hint === undefined ? {} : { next: hint }),
  });
}
