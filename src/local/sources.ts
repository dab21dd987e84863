import { createHash } from "node:crypto";
import { lstat, readFile, readlink } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import type { AnyService, Manifest } from "../manifest/manifest.ts";
import { servicesOf } from "../manifest/services.ts";
import type { Blob } from "../resources/resource.ts";
import { contextKeyOf } from "../stack/services/build-origin.ts";
import { findSourceMounts } from "../stack/services/source-mounts.ts";
import type { SourceMount } from "../stack/services/source-mounts.ts";
import { requireText } from "./decode-text.ts";
import type { LocalFiles } from "./inputs.ts";
import { explainFileError } from "./paths.ts";

/** What a container is built from, file by file. */
export interface ServiceSource {
  readonly service: string;
  /** As written in the manifest. */
  readonly context: string;
  /** The context's folder, absolute, and its entries. */
  readonly blob: Blob;
  /** What its image is built from, by its names among the local files; the first that is there counts. */
  readonly taken: readonly { readonly name: string; readonly blob: Blob }[];
  /** Content and mode of every entry, as a hash. */
  readonly hashes: ReadonlyMap<string, string>;
  readonly mounts: readonly SourceMount[];
}

/** All local sources at one moment. */
export interface Sources {
  readonly services: readonly ServiceSource[];
  /** Everything that is no source of these services: the manifest, packages, migrations, …, as a hash. */
  readonly rest: string;
}

/** What is to be done after a change. */
export interface SourceDifference {
  /** More than files that can be mounted: the whole stack is looked at. */
  readonly needsRelease: boolean;
  /** Services whose image has to be built anew. */
  readonly rebuild: readonly string[];
  /** Services for which it is enough to send files and start them again. */
  readonly sync: readonly {
    readonly source: ServiceSource;
    readonly changed: readonly string[];
    readonly removed: readonly string[];
  }[];
}

/** Reads what the named services are built from, and a hash of all the rest. */
export async function readSources(
  manifest: Manifest,
  files: LocalFiles,
  names: readonly string[],
): Promise<Sources> {
  const services: ServiceSource[] = [];
  const rest = createHash("sha256").update(JSON.stringify(manifest));
  for (const service of servicesOf(manifest)) {
    const { name, source } = service;
    if (source.kind !== "build" || !names.includes(name)) continue;
    const whole = files.blobs.get(source.context);
    if (whole === undefined) continue;
    const blob = {
      ...whole,
      entries: files.listings.get(contextKeyOf(service)) ?? whole.entries ?? [],
    };
    const dockerfile = await readDockerfile(path.join(blob.path, source.dockerfile), name);
    const mounts = findSourceMounts(dockerfile, blob.entries ?? [], source.target);
    services.push({
      service: name,
      context: source.context,
      blob,
      taken: readTaken(files.blobs, service, source.context),
      hashes: await hashEntries(blob),
      // A place that the manifest gives to something else stays that one's.
      mounts: mounts.filter(({ path: place }) =>
        service.volumes.every(
          (volume) => !isWithin(place, volume.path) && !isWithin(volume.path, place),
        ),
      ),
    });
  }
  const contexts = new Set(services.map(({ context }) => context));
  for (const [name, blob] of [...files.blobs].sort(byName)) {
    // Another container's context is not what is worked on; a base image is for all of them.
    if ((blob.type === "tree" && !isOfBase(manifest, name)) || contexts.has(name)) continue;
    rest.update(`\0${name}\0${blob.sha256}`);
  }
  for (const [name, text] of [...files.texts].sort(byName)) rest.update(`\0${name}\0${text}`);
  for (const [folder, found] of [...files.migrations].sort(byName)) {
    for (const { name, text } of found) rest.update(`\0${folder}\0${name}\0${text}`);
  }
  return { services, rest: rest.digest("hex") };
}

/** Whether a blob is what a base image is built from. */
export function isOfBase({ images = [] }: Pick<Manifest, "images">, blob: string): boolean {
  return images.some((image) => contextKeyOf(image) === blob);
}

/** What is sent to the builder, by its name among the blobs. */
function readTaken(
  blobs: LocalFiles["blobs"],
  service: AnyService,
  context: string,
): ServiceSource["taken"] {
  const own = contextKeyOf(service);
  return [own, context].flatMap((name) => {
    const blob = blobs.get(name);
    return blob === undefined ? [] : [{ name, blob }];
  });
}

async function readDockerfile(file: string, service: string): Promise<string> {
  return readFile(file)
    .then(requireText)
    .catch((error: unknown) => {
      throw new HostkitError("file_missing", {
        what: `the Dockerfile of ${service} cannot be read`,
        where: file,
        why: explainFileError(error),
      });
    });
}

/** Compares what stands on the host with what is here now. */
export function compareSources(before: Sources, now: Sources): SourceDifference {
  const rebuild: string[] = [];
  const sync: SourceDifference["sync"][number][] = [];
  let needsRelease = before.rest !== now.rest;
  for (const service of now.services) {
    const old = before.services.find((one) => one.service === service.service);
    const changed = [...service.hashes].flatMap(([entry, hash]) =>
      old?.hashes.get(entry) === hash ? [] : [entry],
    );
    const removed = [...(old?.hashes.keys() ?? [])].filter((entry) => !service.hashes.has(entry));
    if (changed.length === 0 && removed.length === 0) continue;
    const areMountsEqual = JSON.stringify(old?.mounts) === JSON.stringify(service.mounts);
    const covers = (entry: string) => service.mounts.some(({ source }) => isWithin(entry, source));
    if (changed.every(covers) && removed.every(covers)) {
      // New mounts need a new container, but the image stays.
      if (!areMountsEqual) needsRelease = true;
      sync.push({ source: service, changed, removed });
    } else {
      needsRelease = true;
      rebuild.push(service.service);
    }
  }
  return { needsRelease, rebuild, sync };
}

/** Entries of a context that stand in mounts. */
export function listMounted({ blob, mounts }: ServiceSource): string[] {
  return (blob.entries ?? []).filter((entry) =>
    mounts.some(({ source }) => isWithin(entry, source)),
  );
}

function isWithin(entry: string, folder: string): boolean {
  return entry === folder || entry.startsWith(`${folder}/`);
}

async function hashEntries(blob: Blob): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (const entry of blob.entries ?? []) {
    // Gone since it was listed: the next event tells.
    const hash = await hashEntry(path.join(blob.path, entry)).catch(explainFileError);
    if (hash !== "folder") hashes.set(entry, hash);
  }
  return hashes;
}

async function hashEntry(file: string): Promise<string> {
  const facts = await lstat(file);
  if (facts.isDirectory()) return "folder";
  const hash = createHash("sha256");
  if (facts.isSymbolicLink()) hash.update(`link ${await readlink(file)}`);
  else hash.update((facts.mode & 0o111) === 0 ? "file " : "program ").update(await readFile(file));
  return hash.digest("hex");
}

function byName([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1;
}
