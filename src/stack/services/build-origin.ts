import { distributionOf } from "../../distributions.ts";
import { hashText } from "../../facts/files/hash.ts";
import { dockerfileOf } from "../../manifest/references.ts";
import { findBase } from "../../manifest/base-images.ts";
import type { Built } from "../../manifest/base-images.ts";
import type { BaseImage } from "../../manifest/source.ts";
import type { BuildSecret, BuildSource } from "../../resources/containers/build-source.ts";
import { requireSecret } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { listFeatures } from "./dockerfile-features.ts";
import { identityOf, listNeeded, readStages, renameImages } from "./dockerfile-stages.ts";
import { readSyntax, withoutSyntax } from "./dockerfile-syntax.ts";

export type BuildInputs = Pick<StackInputs, "manifest" | "system" | "blobs" | "texts" | "secrets">;

/** Under which name a service's own part of its context is among the blobs; no path is written so. */
export function contextKeyOf({ section, name }: Pick<Built, "section" | "name">): string {
  return `\0${section}.${name}.build`;
}

/** The base images of the manifest that a build begins with or copies from. */
export function basesOf(
  { manifest, texts }: Pick<BuildInputs, "manifest" | "texts">,
  { source }: Pick<Built, "source">,
): BaseImage[] {
  const stages = readStages(texts.get(dockerfileOf(source)) ?? "", source.args);
  const images = listNeeded(stages, source.target).flatMap(
    (number) => stages.all[number]?.images ?? [],
  );
  return [...new Set(images.flatMap(({ image }) => findBase(manifest, image) ?? []))];
}

/**
 * What is built on the host, and the text that its identity is the hash of. Base images of the manifest are named by their content in
 * it, so that a change of one is a change of all that stands on it, and the host has no tag that somebody else could have.
 * @param nameBase the name of a base image on the host
 */
export function describeBuild(
  inputs: BuildInputs,
  built: Built,
  nameBase: (image: BaseImage) => string,
): { readonly source: BuildSource; readonly identity: string } {
  const { manifest, blobs, texts, system } = inputs;
  const { source } = built;
  const context = blobs.get(contextKeyOf(built)) ?? blobs.get(source.context);
  if (context === undefined) throw new TypeError(`no blob for ${source.context}`);
  const { args, target, secrets = [] } = source;
  const file = dockerfileOf(source);
  const bases = new Set(basesOf(inputs, built));
  const text = renameImages(readStages(texts.get(file) ?? "", args), (image) => {
    const base = findBase(manifest, image);
    return base !== undefined && bases.has(base) ? nameBase(base) : undefined;
  });
  const stages = readStages(text, args);
  const syntax = readSyntax(text);
  const give = (name: string): BuildSecret => ({
    name,
    value: requireSecret(inputs.secrets, name),
  });
  const { engine, packages } = distributionOf(system).builder;
  return {
    identity: JSON.stringify([
      context.sha256,
      hashText(identityOf(stages, target)),
      args,
      target ?? "",
      secrets,
      source.key ?? "",
    ]),
    source: {
      kind: "build",
      context,
      name: source.dockerfile.split("/").at(-1) ?? "Dockerfile",
      text,
      plainText: withoutSyntax(text),
      wish: {
        file,
        features: listFeatures(stages, target),
        ...(syntax === undefined ? {} : { syntax }),
      },
      args,
      ...(target === undefined ? {} : { target }),
      secrets: secrets.map(give),
      ...(source.key === undefined ? {} : { key: give(source.key) }),
      usual: { engine, hasPlugin: packages.length > 0 },
    },
  };
}
