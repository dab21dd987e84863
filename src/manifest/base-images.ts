import type { Manifest } from "./manifest.ts";
import { servicesOf } from "./services.ts";
import type { BaseImage, BuildFrom, Source } from "./source.ts";

/** An image's name in one spelling: `base:latest`, `acme/base:1`. */
export function canonicalName(written: string): string {
  const name = written.replace(/^(?:index\.)?docker\.io\//, "").replace(/^library\//, "");
  return /:[^/]*$/.test(name) ? name : `${name}:latest`;
}

/** The base image of the manifest that a Dockerfile means by a name; undefined: one of a registry. */
export function findBase(
  { images = [] }: Pick<Manifest, "images">,
  written: string,
): BaseImage | undefined {
  return images.find(({ name }) => canonicalName(name) === canonicalName(written));
}

/** Whatever is built of a manifest: services and base images, with the section they stand in. */
export interface Built {
  readonly section: "services" | "web" | "images";
  readonly name: string;
  readonly source: BuildFrom;
}

/** All that is built, in the order of the manifest's sections. */
export function buildsOf(manifest: Pick<Manifest, "services" | "web" | "images">): Built[] {
  return [...servicesOf(manifest), ...(manifest.images ?? [])].flatMap(
    ({ section, name, source }) => (isBuild(source) ? [{ section, name, source }] : []),
  );
}

function isBuild(source: Source): source is BuildFrom {
  return source.kind === "build";
}
