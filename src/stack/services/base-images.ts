import { hashText } from "../../facts/files/hash.ts";
import type { BaseImage } from "../../manifest/source.ts";
import type { Built } from "../../manifest/base-images.ts";
import { image as imageResource } from "../../resources/containers/image.ts";
import type { ImageResource, ImageSource } from "../../resources/containers/image.ts";
import { idOf } from "../../resources/resource.ts";
import { describeArchive } from "./archive-origin.ts";
import { basesOf, describeBuild } from "./build-origin.ts";
import type { BuildInputs } from "./build-origin.ts";
import { engineIds } from "./engine.ts";

/** The name of a base image on the host: it says what is in it, and in whatever that stands on. */
export function nameBase(inputs: BuildInputs, image: BaseImage): string {
  return describeBase(inputs, image).reference;
}

function describeBase(
  inputs: BuildInputs,
  base: BaseImage,
): { readonly reference: string; readonly source: ImageSource } {
  const { manifest } = inputs;
  // No service has a slash in its name, and no image two underscores.
  const repository = `hostkit/${manifest.stack}/${base.name.replace(":", "__")}`;
  const tagged = (text: string): string => `${repository}:${hashText(text).slice(0, 16)}`;
  const { section, name, source } = base;
  if (source.kind === "image-archive") {
    const archive = describeArchive(inputs, name, source.path);
    return { reference: tagged(archive.identity), source: archive.source };
  }
  const build = describeBuild(inputs, { section, name, source }, (image) =>
    nameBase(inputs, image),
  );
  return { reference: tagged(build.identity), source: build.source };
}

/** The base images that a build needs, each behind those that it needs itself; the last are the build's own. */
export function resolveBases(
  inputs: BuildInputs,
  built: Pick<Built, "source">,
): { readonly all: readonly ImageResource[]; readonly direct: readonly ImageResource[] } {
  const all = new Map<string, ImageResource>();
  const walk = (of: Pick<Built, "source">): ImageResource[] =>
    basesOf(inputs, of).map((base) => {
      const { source } = base;
      const below = source.kind === "build" ? walk({ source }) : [];
      const { reference, source: made } = describeBase(inputs, base);
      const name = `${inputs.manifest.stack}/${base.name}`;
      const after = [...engineIds(inputs.manifest), ...below.map(idOf)];
      const resource: ImageResource = {
        ...imageResource(name, reference, made, after),
        isBase: true,
      };
      all.set(name, resource);
      return resource;
    });
  const direct = walk(built);
  return { all: [...all.values()], direct };
}
