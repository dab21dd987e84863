import { backupHolder } from "../../facts/lock.ts";
import type { AnyService, Manifest } from "../../manifest/schema.ts";
import { directory, directoryId } from "../../resources/files/directory.ts";
import { file, fileId } from "../../resources/files/file.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { rawScript, sh } from "../../shell/script.ts";
import {
  systemdExec,
  systemdListPath,
  systemdNames,
  systemdPath,
  systemdText,
} from "../../writers/systemd.ts";
import { writtenShell } from "../../writers/written.ts";
import { packagesId } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { stackDirectoryOf, volumeNameOf, volumePath, webUnitOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import { containerOf } from "../services/service-places.ts";
import { mostReplicas } from "../../manifest/services.ts";
import { backupPlaces } from "./jobs.ts";
import { listCovers, listQuiesceGroups } from "./quiesce-groups.ts";
import type { QuiesceGroup } from "./quiesce-groups.ts";

/** Where its unit sees the volumes, and the folder in which SQLite makes its copies: their own places are open to root alone. */
const liveFolder = "/run/hostkit-quiesce";
const workFolder = "/run/hostkit-quiesce-work";

/** What copies volumes at a moment of rest: a script, a unit for each group of them, a folder for the copies. Nothing where none is asked for. */
export function resolveQuiesce(inputs: StackInputs): Resource[] {
  const { manifest, templates } = inputs;
  const { stack } = manifest;
  const groups = listQuiesceGroups(manifest);
  if (groups.length === 0) return [];
  const places = backupPlaces(stack);
  return [
    directory(places.quiesced, {
      mode: "0711",
      holds: "cache",
      after: [packagesId, directoryId(places.reports)],
    }),
    file(places.quiesce, renderScript(inputs, groups), { mode: "0755" }),
    file(unitPathOf(places.quiesceUnit("")), renderUnit(inputs, groups, false)),
    file(unitPathOf(places.quiesceSettle("")), renderUnit(inputs, groups, true)),
    file(
      unitPathOf(places.quiesceReady),
      renderTemplate(templates, "etc/systemd/system/quiesce-ready.service.ejs", {
        description: systemdText(`Folders for copies of ${stack}'s volumes`),
        ready: systemdExec([places.quiesce, "ready"]),
        place: systemdListPath(places.quiesced),
      }),
    ),
  ];
}

/** Ids of what a backup needs for it. */
export function quiesceIds(manifest: Manifest): ResourceId[] {
  if (listQuiesceGroups(manifest).length === 0) return [];
  const places = backupPlaces(manifest.stack);
  return [
    directoryId(places.quiesced),
    fileId(places.quiesce),
    fileId(unitPathOf(places.quiesceUnit(""))),
    fileId(unitPathOf(places.quiesceSettle(""))),
    fileId(unitPathOf(places.quiesceReady)),
  ];
}

/** The unit that comes before the backup's, whose name space needs the copies' folders; undefined where nothing is copied. */
export function prepareCopies(manifest: Manifest) {
  if (listQuiesceGroups(manifest).length === 0) return undefined;
  return systemdNames(backupPlaces(manifest.stack).quiesceReady);
}

/** The units that end what a backup that was killed has left: systemd may kill what a unit itself would have run at its end. */
export function listSettlers(manifest: Manifest): string[] {
  const places = backupPlaces(manifest.stack);
  return listQuiesceGroups(manifest).map(({ name }) => places.quiesceSettle(name));
}

function unitPathOf(unit: string): string {
  return `/etc/systemd/system/${unit}`;
}

/** @param settles the unit that comes after one that failed */
function renderUnit(
  { manifest, templates }: StackInputs,
  groups: readonly QuiesceGroup[],
  settles: boolean,
): string {
  const { stack } = manifest;
  const places = backupPlaces(stack);
  const what = settles ? "What stands still is started again" : "Copied at a moment of rest";
  const live = groups.flatMap(({ volumes }) => volumes);
  return renderTemplate(templates, "etc/systemd/system/quiesce.service.ejs", {
    settles,
    description: systemdText(`${what}: volumes of ${stack}`),
    run: systemdExec([places.quiesce, settles ? "settle" : "begin"]),
    end: systemdExec([places.quiesce, "end"]),
    settle: systemdNames(places.quiesceSettle("").replace(".service", "")),
    stackDirectory: systemdListPath(stackDirectoryOf(stack)),
    ready: systemdNames(places.quiesceReady),
    work: { from: systemdPath(`${places.quiesced}/sqlite`), to: systemdPath(workFolder) },
    volumes: live.map((name) => ({
      from: systemdPath(volumePath(stack, name)),
      to: systemdPath(`${liveFolder}/${name}`),
    })),
  });
}

function renderScript(inputs: StackInputs, groups: readonly QuiesceGroup[]): string {
  const { manifest, templates } = inputs;
  const { stack } = manifest;
  const places = backupPlaces(stack);
  return renderTemplate(templates, "usr/local/lib/hostkit/quiesce.ejs", {
    stack: writtenShell(sh`${stack}`),
    stackDirectory: writtenShell(sh`${stackDirectoryOf(stack)}`),
    lock: writtenShell(sh`${places.lock}`),
    place: writtenShell(sh`${places.quiesced}`),
    prefix: writtenShell(sh`${volumeNameOf(stack, "")}`),
    copied: listCovers(manifest).map(({ volume, path }) => ({
      ...{ volume: writtenShell(sh`${volume}`), path: writtenShell(sh`${path}`) },
    })),
    groups: groups.map((group) => describeGroup(stack, group)),
    parts: writtenShell(
      rawScript(
        renderTemplate(templates, "usr/local/lib/hostkit/quiesce-parts.ejs", {
          holder: writtenShell(sh`${backupHolder}`),
        }),
      ),
    ),
  });
}

function describeGroup(stack: string, group: QuiesceGroup) {
  const { name, how, volumes, writers, readers, asked, entry } = group;
  const password = entry.how === "redis" ? entry.password : undefined;
  const { command, after } = entry.how === "command" ? entry : {};
  const isAsked = how === "redis" || how === "command";
  const words = (list: readonly string[]) => writtenShell(sh`${list.join(" ")}`);
  return {
    name: writtenShell(sh`${name}`),
    how: writtenShell(sh`${how}`),
    isStop: how === "stop",
    volumes: words(volumes),
    writers: words(writers.flatMap((one) => placesOf(stack, one, webUnitOf))),
    readers: words(readers.flatMap((one) => placesOf(stack, one, containerOf))),
    asked: isAsked && asked !== undefined ? writtenShell(sh`${asked.name}`) : undefined,
    containers: words(asked === undefined ? [] : placesOf(stack, asked, containerOf)),
    password: password === undefined ? undefined : writtenShell(sh`${password}`),
    command: command === undefined ? undefined : writtenShell(sh`${command}`),
    after: after === undefined ? undefined : writtenShell(sh`${after}`),
  };
}

/** What a service is called in every slot, with as many copies as it can have. */
function placesOf(
  stack: string,
  { name, section }: AnyService,
  nameIn: (stack: string, service: string, slot: "a" | "b", replica: number) => string,
): string[] {
  const most = section === "web" ? mostReplicas : 1;
  return (["a", "b"] as const).flatMap((slot) =>
    Array.from({ length: most }, (_, index) => nameIn(stack, name, slot, index + 1)),
  );
}
