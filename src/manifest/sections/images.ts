import type { z } from "zod";
import { compareText } from "../order.ts";
import type { BaseImage } from "../source.ts";
import { localPath, mapping, named, text } from "../values.ts";
import { normalizeBuild } from "./normalize-services.ts";
import { buildSchema } from "./services.ts";

const baseImage = mapping({
  build: buildSchema.optional().meta({
    description: "A folder with a Dockerfile, as a service's `build`.",
    examples: ["./base"],
  }),
  archive: localPath("the path of an image archive")
    .optional()
    .meta({
      description: "A file made by `docker save`, or an OCI archive.",
      examples: ["images/base.tar"],
    }),
});

/** As a `FROM` names it: no registry's address, no digest. */
const imageName = () =>
  text(
    'an image\'s name in lower case, such as "base", "acme/base" or "acme/base:1"',
    /^(?!.*__)[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$/,
    "NAME",
  );

export const imagesSectionSchema = named(
  imageName(),
  baseImage,
  "image names to {build} or {archive}",
).meta({
  description:
    "Base images of your own, by the name that a Dockerfile has behind FROM (or `COPY --from=`). Each is built, or loaded, before what stands on it; a change of it builds that anew; one that nothing needs any more goes.",
  examples: [{ base: { build: "./base" } }],
});

export type WrittenImages = z.output<typeof imagesSectionSchema>;

/** The rules have made sure that there is exactly one source. */
export function normalizeImages(written: WrittenImages): BaseImage[] {
  return Object.entries(written)
    .map(([name, { build, archive }]): BaseImage => ({
      section: "images",
      name,
      source:
        build === undefined
          ? { kind: "image-archive", path: archive ?? "" }
          : normalizeBuild(build),
    }))
    .toSorted((left, right) => compareText(left.name, right.name));
}
