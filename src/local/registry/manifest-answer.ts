import { z } from "zod";

const platformSchema = z.object({
  os: z.string(),
  architecture: z.string(),
  variant: z.string().optional(),
});

const descriptorSchema = z.object({
  mediaType: z.string().optional(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  platform: platformSchema.optional(),
});

const indexSchema = z.object({ manifests: z.array(descriptorSchema).max(10_000) });
const manifestSchema = z.object({ config: descriptorSchema });

/** What is asked for, newest first: an index where there is one. */
export const acceptedTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** Configurations of images; other artifacts (charts, signatures) have their own. */
const imageConfigs: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

/** What a registry says that a tag is. */
export type ManifestAnswer =
  /** An index: it names the platforms itself. */
  | { readonly platforms: readonly string[] }
  /** One image, whose configuration names its platform. */
  | { readonly config: string }
  | { readonly unfit: string };

/** Reads an image's manifest or index. */
export function readManifestAnswer(body: string): ManifestAnswer {
  const plain = parseJson(body);
  const index = indexSchema.safeParse(plain);
  if (index.success) {
    const platforms = index.data.manifests.flatMap(({ platform }) => namePlatform(platform));
    return platforms.length === 0
      ? { unfit: "it lists no image for any platform" }
      : { platforms: [...new Set(platforms)].sort() };
  }
  const manifest = manifestSchema.safeParse(plain);
  if (manifest.success) {
    const { mediaType = "", digest } = manifest.data.config;
    return imageConfigs.has(mediaType)
      ? { config: digest }
      : { unfit: `it is no image of a container, but ${JSON.stringify(mediaType.slice(0, 80))}` };
  }
  const { schemaVersion } = (plain ?? {}) as { schemaVersion?: unknown };
  return {
    unfit:
      schemaVersion === 1
        ? "it is in the format of 2014 (schema 1), which Docker no longer takes; push it again with a newer Docker"
        : "what the registry sends is no manifest of an image",
  };
}

/** The platform of an image's configuration, as a list. */
export function readConfigPlatform(body: string): string[] {
  const platform = platformSchema.safeParse(parseJson(body));
  return platform.success ? namePlatform(platform.data) : [];
}

/** What only comes along in an index (attestations) has the platform unknown/unknown. */
function namePlatform(platform: z.output<typeof platformSchema> | undefined): string[] {
  if (platform === undefined || platform.os === "unknown" || platform.os === "") return [];
  const { os, architecture, variant } = platform;
  const name = `${os}/${architecture}${variant === undefined || variant === "" ? "" : `/${variant}`}`;
  return /^[a-z0-9]+\/[a-z0-9_.]+(?:\/[a-z0-9_.]+)?$/.test(name) ? [name] : [];
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
