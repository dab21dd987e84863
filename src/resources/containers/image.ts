import { imageFacts } from "../../facts/containers/docker.ts";
import { need } from "../../facts/fact.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { builderFacts, builderSubject } from "../../facts/containers/builder.ts";
import type { BuilderFact } from "../../facts/containers/builder.ts";
import { idOf, removeByScript } from "../resource.ts";
import { builderNeed, buildSteps, notesOn, refuseOn } from "./build.ts";
import type { BuildSource } from "./build.ts";
import { pullScript, refusePlatform } from "./pull.ts";
import type { PullSource } from "./pull.ts";
import { recordFunctions } from "./records.ts";
import type { Blob, Change, Refusal, Resource, ResourceKind, Step } from "../resource.ts";

export type ImageSource =
  | BuildSource
  | { readonly kind: "archive"; readonly archive: Blob }
  /** The reference is in a registry. */
  | PullSource;

/** A container image on the host; its name says what it was made from, so that there is nothing to compare. */
export interface ImageResource extends Resource {
  readonly kind: "image";
  /** `repository:tag`, or `name@sha256:…` for a pulled one. */
  readonly reference: string;
  readonly source: ImageSource;
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

  diff(resource, facts, context): Change | undefined {
    const isThere = facts.get(imageFacts, resource.reference) !== undefined;
    // A tag that came with an archive goes after ours is made: whether it went is not among the facts.
    const isHalf = isThere && resource.source.kind === "archive" && context.isUnfinished;
    if (isThere && !isHalf) return undefined;
    const { reference, source } = resource;
    const builder = facts.get(builderFacts, builderSubject);
    const notes = source.kind === "build" ? notesOn(source, builder) : [];
    const refusal = refuse(reference, source, builder);
    return {
      id: idOf(resource),
      action: isThere ? "update" : "create",
      because: isThere
        ? "a run ended while it was loaded"
        : `image ${nameOf(resource)} is not on the host`,
      steps: stepsOf(resource, builder),
      ...(notes.length === 0 ? {} : { notes }),
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
    const repository = reference.replace(/:[^:/]*$/, "");
    const script =
      owned["isOurs"] === true
        ? sh`command -v docker >/dev/null || exit 0
docker image ls --format ${"{{.Repository}}:{{.Tag}}"} ${repository} | xargs -r docker image rm -f >/dev/null`
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

/** Why the host cannot have it, known from looking alone. */
function refuse(
  reference: string,
  source: ImageSource,
  builder: BuilderFact | undefined,
): Refusal | undefined {
  if (source.kind === "pull") return refusePlatform(reference, source);
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
  if (source.kind === "archive") {
    return [
      { type: "upload", as: "image.tar", content: { blob: source.archive } },
      {
        type: "script",
        title: `load ${reference}`,
        bound: { seconds: 3600, waitsFor: "Docker, which unpacks the image" },
        script: loadScript(resource),
      },
    ];
  }
  return buildSteps(reference, source, builder);
}

/**
 * Gives the archive's one image our tag; tags that only came with the archive do not stay. Which were there before is written down
 * first, and what an earlier run that was killed wrote down counts.
 */
function loadScript({ name, reference }: ImageResource): Script {
  return joinScripts([
    sh`before="$HOSTKIT_STACK_DIRECTORY"/images-before-${name}
if [ ! -e "$before" ]; then
  docker image ls --format ${"{{.Repository}}:{{.Tag}}"} >"$before.new"
  sync "$before.new"
  mv "$before.new" "$before"
fi
code=0
docker load --quiet --input image.tar >loaded 2>docker.log || code=$?
rm -f image.tar
names=$(sed -n ${"s/^Loaded image\\( ID\\)\\{0,1\\}: //p"} loaded)
count=$(printf ${"%s\\n"} "$names" | grep -c .) || true
if [ "$code" -eq 0 ] && [ "$count" -eq 1 ]; then docker tag "$names" ${reference}; fi
printf ${"%s\\n"} "$names" | while IFS= read -r name; do
  case $name in '' | sha256:*) continue ;; esac
  grep -qxF -e "$name" "$before" || docker image rm "$name" >/dev/null
done
rm -f "$before"
if [ "$code" -ne 0 ]; then
  echo "docker could not read the image archive:" >&2
  tail -n 20 docker.log >&2
  exit 1
fi
if [ "$count" -ne 1 ]; then
  echo "the archive must hold one image, it holds:" >&2
  cat loaded >&2
  exit 1
fi`,
  ]);
}
