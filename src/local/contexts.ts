import { stat } from "node:fs/promises";
import path from "node:path";
import type { Manifest } from "../manifest/manifest.ts";
import { buildsOf } from "../manifest/base-images.ts";
import { dockerfileOf } from "../manifest/references.ts";
import type { Blob } from "../resources/resource.ts";
import { contextKeyOf } from "../stack/services/build-origin.ts";
import { takeEntries } from "../stack/services/dockerfile-context.ts";
import type { ContextListing } from "../stack/services/dockerfile-context.ts";
import { readStages } from "../stack/services/dockerfile-stages.ts";
import { hashTree, ignoreFile, listTree } from "./tree.ts";

export interface Contexts {
  /** What each build may see of its context, by `contextKeyOf`. */
  readonly listings: ReadonlyMap<string, readonly string[]>;
  /** What it takes of it, where that is less than the context, by `contextKeyOf`. */
  readonly taken: ReadonlyMap<string, Blob>;
}

/**
 * What of its context the build of each service takes, so that services that share one are each built anew for their own files only.
 * @param blobs whole contexts, by the path written in the manifest
 * @param texts Dockerfiles, likewise
 */
export async function readContexts(
  manifest: Manifest,
  blobs: ReadonlyMap<string, Blob>,
  texts: ReadonlyMap<string, string>,
): Promise<Contexts> {
  const listings = new Map<string, readonly string[]>();
  const taken = new Map<string, Blob>();
  const known = new Map<string, Promise<ContextListing>>();
  for (const built of buildsOf(manifest)) {
    const { source } = built;
    const whole = blobs.get(source.context);
    const text = texts.get(dockerfileOf(source));
    if (whole === undefined || text === undefined) continue;
    // A Dockerfile's own file stands in the place of the context's.
    const own = `${source.dockerfile}.dockerignore`;
    const hasOwn = await stat(path.join(whole.path, own)).then(Boolean, () => false);
    const ignore = hasOwn ? own : ignoreFile;
    const key = `${whole.path}\0${ignore}`;
    const listing = known.get(key) ?? listTree(whole.path, ignore);
    known.set(key, listing);
    const { entries, links } = await listing;
    listings.set(contextKeyOf(built), entries);
    const part = takeEntries(readStages(text, source.args), { entries, links }, source.target);
    if (part !== undefined || hasOwn || built.section === "images")
      taken.set(contextKeyOf(built), await hashTree(whole.path, part ?? entries));
  }
  return { listings, taken };
}
