import { imageFacts } from "../../facts/containers/docker.ts";
import { need } from "../../facts/fact.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import { builderFacts, builderSubject } from "../../facts/containers/builder.ts";
import type { BuilderFact } from "../../facts/containers/builder.ts";
import { idOf, removeByScript } from "../resource.ts";
import { dropCache } from "./build-cache.ts";
import { builderNeed, buildSteps, notesOn, refuseOn } from "./build.ts";
import type { BuildSource } from "./build-source.ts";
import { deliver, loadSteps, refuseArchive } from "./load.ts";
import type { ArchiveSource, ElsewhereSource } from "./load.ts";
import { placeOf } from "./packed-image.ts";
import { pullScript, refusePlatform } from "./pull.ts";
import type { PullSource } from "./pull.ts";
import { recordFunctions } from "./records.ts";
import type { Change, Refusal, Resource, ResourceKind, Step } from "../resource.ts";

export type ImageSource =
  | BuildSource
  | ArchiveSource
  | ElsewhereSource
  /** The reference is in a registry. */
  | PullSource;

/** A container image on the host; its name says what it was made from, so that there is nothing to compare. */
export interface ImageResource extends Resource {
  readonly kind: "image";
  /** `repository:tag`, or `name@sha256:…` for a pulled one. */
  readonly reference: string;
  readonly source: ImageSource;
  /** Others stand on it, and nothing runs or goes back to it by its name: the newest is enough. */
  readonly isBase?: true;
}

/** Builds an image resource. @param name `<stack>-<service>`: stays the same over all versions */
export function image(
  name: string,
  reference: string,
  source: ImageSource,
  after: ImageResource["after"],
): ImageResource {
  return { kind: "image", name, reference, source, ...(after === undefined ? {} : { after }) };
}

export const imageKind: ResourceKind<ImageResource> = {
  kind: "image",
  group: "containers",
  needs: (resource) => [
    need(imageFacts, resource.reference),
    ...(resource.source.kind === "build" ? [builderNeed] : []),
  ],

  diff(resource, facts): Change | undefined {
    if (facts.get(imageFacts, resource.reference) !== undefined) return undefined;
    const { reference, source } = resource;
    const builder = facts.get(builderFacts, builderSubject);
    const notes = source.kind === "build" ? notesOn(source, builder) : [];
    const refusal = refuse(reference, source, builder);
    const delivers = isDelivered(source) ? deliver(reference, source) : undefined;
    return {
      id: idOf(resource),
      action: "create",
      because: `image ${nameOf(resource)} is not on the host${source.kind === "elsewhere" ? `, and will be built on ${placeOf(source.on)}` : ""}`,
      steps: [
        ...stepsOf(resource, builder),
        ...(resource.isBase === true ? [removeFormer(reference)] : []),
      ],
      ...(notes.length === 0 ? {} : { notes }),
      ...(delivers === undefined ? {} : { delivers }),
      ...(refusal === undefined ? {} : { refusal }),
    };
  },

  own: (resource) => ({
    kind: "image",
    name: resource.name,
    reference: resource.reference,
    isOurs: resource.source.kind !== "pull",
  }),
  removalNeeds: () => [],

  /** Every version of our own repository; a pulled image only by its digest, and only when nothing uses it. */
  remove(owned): Change {
    const reference = String(owned["reference"]);
    const repository = repositoryOf(reference);
    const script =
      owned["isOurs"] === true
        ? sh`command -v docker >/dev/null || exit 0
docker image ls --format ${"{{.Repository}}:{{.Tag}}"} ${repository} | xargs -r docker image rm -f >/dev/null
${dropCache}`
        : joinScripts([
            recordFunctions,
            sh`command -v docker >/dev/null || exit 0
hk_needs_image ${reference} ${reference.slice(reference.indexOf("@") + 1)} || docker image rm ${reference} >/dev/null 2>&1 || true`,
          ]);
    return removeByScript(owned, `remove image ${repository}`, script);
  },
};

export function isImage(resource: Resource): resource is ImageResource {
  return resource.kind === "image";
}

/** How a pulled image is shown: `name:tag@sha256:0123…`. */
export function shownAs({ reference, source }: ImageResource): string | undefined {
  return source.kind === "pull" ? (source.shown ?? reference) : undefined;
}

function nameOf(resource: ImageResource): string {
  return shownAs(resource) ?? resource.reference;
}

function isDelivered(source: ImageSource): source is ArchiveSource | ElsewhereSource {
  return source.kind === "archive" || source.kind === "elsewhere";
}

/** What images that stand on a former one need of it stays without the name. */
function removeFormer(reference: string): Step {
  return {
    type: "script",
    title: `tidy up behind ${reference}`,
    script: sh`docker image ls --format ${"{{.Repository}}:{{.Tag}}"} ${repositoryOf(reference)} | grep -vxF -e ${reference} |
  xargs -r docker image rm >/dev/null || true`,
  };
}

function repositoryOf(reference: string): string {
  return reference.replace(/:[^:/]*$/, "");
}

/** Why the host cannot have it, known from looking alone. */
function refuse(
  reference: string,
  source: ImageSource,
  builder: BuilderFact | undefined,
): Refusal | undefined {
  if (source.kind === "pull") return refusePlatform(reference, source);
  if (source.kind === "archive") return refuseArchive(source);
  return source.kind === "build" ? refuseOn(source, builder) : undefined;
}

function stepsOf(resource: ImageResource, builder: BuilderFact | undefined): Step[] {
  const { reference, source } = resource;
  if (source.kind === "pull") {
    return [
      {
        type: "script",
        title: `pull ${nameOf(resource)}`,
        bound: { seconds: 7200, waitsFor: "the registry of the image" },
        script: pullScript(reference, source),
      },
    ];
  }
  if (isDelivered(source)) return loadSteps(reference);
  return buildSteps(reference, source, builder);
}
