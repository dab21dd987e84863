import { distributionOf } from "../../distributions.ts";
import { hashText } from "../../facts/files/hash.ts";
import { dockerfileOf } from "../../manifest/references.ts";
import type { AnyService } from "../../manifest/schema.ts";
import type { Source } from "../../manifest/source.ts";
import type { BuildSecret, BuildSource } from "../../resources/containers/build.ts";
import { requireSecret } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { listFeatures } from "./dockerfile-features.ts";
import { identityOf, readStages } from "./dockerfile-stages.ts";
import { readSyntax, withoutSyntax } from "./dockerfile-syntax.ts";

type Build = Extract<Source, { readonly kind: "build" }>;
type Inputs = Pick<StackInputs, "system" | "blobs" | "texts" | "secrets">;

/** Under which name a service's own part of its context is among the blobs; no path is written so. */
export function contextKeyOf({ section, name }: Pick<AnyService, "section" | "name">): string {
  return `\0${section}.${name}.build`;
}

/** What is built on the host, and the text that its identity is the hash of. */
export function describeBuild(
  inputs: Inputs,
  service: AnyService,
  source: Build,
): { readonly source: BuildSource; readonly identity: string } {
  const { blobs, texts, system } = inputs;
  const context = blobs.get(contextKeyOf(service)) ?? blobs.get(source.context);
  if (context === undefined) throw new TypeError(`no blob for ${source.context}`);
  const { args, target, secrets = [] } = source;
  const file = dockerfileOf(source);
  const text = texts.get(file) ?? "";
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
