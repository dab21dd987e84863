import { lstat, readdir, rm } from "node:fs/promises";
import path from "node:path";
import type { Manifest } from "../manifest/manifest.ts";
import { readProducts } from "./build.ts";
import { commandFor } from "./inputs.ts";
import type { LoadedManifest } from "./manifest.ts";
import { GitRules } from "./watch.ts";

/** Something that a build command of the manifest made here, and makes again. */
export interface BuiltThing {
  /** Absolute. */
  readonly path: string;
  /** As a person names it: from the manifest's folder. */
  readonly name: string;
  readonly service: string;
  readonly bytes: number;
}

/** Folders of these names hold what a bundler or compiler made. Others that git ignores may be somebody's data. */
const outputFolders = new Set(["dist", "build", "out", "target"]);

/**
 * What builds left below the manifest's folder: packages and archives that the manifest names, and output folders of build
 * contexts. Only what git ignores, and only of services that have a build command.
 */
export async function listBuilt(
  loaded: LoadedManifest,
  manifest: Manifest,
  home: string | undefined,
): Promise<BuiltThing[]> {
  const rules = new GitRules(loaded.folder);
  const found = new Map<string, BuiltThing>();
  for (const { service, kind, blob } of await readProducts(loaded, manifest, home)) {
    if (blob === undefined || commandFor(manifest, service) === undefined) continue;
    const files =
      kind !== "build-context"
        ? [blob.path]
        : (blob.entries ?? [])
            .filter((entry) => outputFolders.has(entry))
            .map((entry) => path.join(blob.path, entry));
    for (const file of files) {
      const name = path.relative(loaded.folder, file);
      if (name.startsWith("..") || !rules.ignores(file)) continue;
      const isFolder = (await lstat(file)).isDirectory();
      if (isFolder !== (kind === "build-context")) continue;
      found.set(file, { path: file, name, service, bytes: await measure(file) });
    }
  }
  return [...found.values()];
}

export async function removeBuilt(things: readonly BuiltThing[]): Promise<void> {
  for (const thing of things) await rm(thing.path, { recursive: true, force: true });
}

async function measure(file: string): Promise<number> {
  const facts = await lstat(file);
  if (!facts.isDirectory()) return facts.size;
  let bytes = 0;
  for (const name of await readdir(file)) bytes += await measure(path.join(file, name));
  return bytes;
}
