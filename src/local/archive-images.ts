import { z } from "zod";
import { hashText } from "../facts/files/hash.ts";
import { blobFolder, idOfImage } from "../resources/containers/packed-image.ts";
import type { PackedImage, PackedLayer } from "../resources/containers/packed-image.ts";
import type { ArchiveEntries } from "./archive-entries.ts";
import { recognizePacking } from "./unpack.ts";

/** The digests of OCI's specification that anybody uses. */
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
/** More layers than an overlay can have. */
const maxLayers = 512;

const savedSchema = z.array(
  z.object({
    Config: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string()).max(maxLayers).nullish(),
  }),
);
const descriptorSchema = z.object({
  mediaType: z.string().optional(),
  digest,
  urls: z.array(z.string()).nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
});
const indexSchema = z.object({ manifests: z.array(descriptorSchema).max(1000) });
const manifestSchema = z.object({
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(maxLayers).nullish(),
});
const configSchema = z.object({
  architecture: z.string().min(1),
  os: z.string().min(1).optional(),
  variant: z.string().optional(),
  rootfs: z.object({ diff_ids: z.array(digest).max(maxLayers).nullish() }),
});

type Descriptor = z.output<typeof descriptorSchema>;

/** A layer as a manifest names it. */
interface NamedLayer {
  readonly name: string;
  /** Where it is to be fetched from instead. */
  readonly url?: string;
}

interface Found {
  readonly image: PackedImage;
  readonly tags: readonly string[];
}

/**
 * The images of an archive, one for each platform.
 * @throws Error that says what is wrong with it
 */
export function listImages(entries: ArchiveEntries): PackedImage[] {
  const found = entries.find("index.json") === undefined ? [] : listByIndex(entries);
  const all = found.length > 0 ? found : listSaved(entries);
  const byId = new Map<string, Found>();
  for (const one of all) {
    const id = idOfImage(one.image);
    byId.set(id, { ...one, tags: [...(byId.get(id)?.tags ?? []), ...one.tags] });
  }
  const images = [...byId.values()];
  const platforms = new Set(images.map(({ image }) => image.platform));
  if (images.length === 0) throw new Error("it holds no image");
  if (platforms.size < images.length) {
    const names = images.map(({ tags, image }) => tags[0] ?? idOfImage(image).slice(0, 12));
    throw new Error(
      `the archive must hold one image, it holds ${images.length}: ${names.slice(0, 10).join(", ")}; save the one alone: docker save NAME:TAG -o FILE`,
    );
  }
  return images.map(({ image }) => image);
}

/** As `docker save` writes it. */
function listSaved(entries: ArchiveEntries): Found[] {
  const text = entries.readText("manifest.json");
  if (text === undefined)
    throw new Error(
      entries.find("repositories") === undefined
        ? "it holds no image: there is neither a manifest.json nor an index.json in it"
        : "it was saved by a Docker before 1.10; save it anew",
    );
  return read(savedSchema, text, "manifest.json").map(({ Config: name, RepoTags, Layers }) => {
    const config = entries.readText(name);
    if (config === undefined) throw new Error(`it is incomplete: ${name} is not in it`);
    const promised = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1];
    if (promised !== undefined) requireHash(config, promised, name);
    const layers = (Layers ?? []).map((layer) => ({ name: layer }));
    return { image: makeImage(entries, config, layers), tags: RepoTags ?? [] };
  });
}

/** As an OCI layout. Platforms of which nothing else came with the archive are left out, and what is no image (attestations). */
function listByIndex(entries: ArchiveEntries): Found[] {
  const collect = (text: string, name: string, depth: number): Found[] => {
    if (depth > 3) throw new Error("its index.json leads nowhere");
    return read(indexSchema, text, name).manifests.flatMap((descriptor) => {
      const { mediaType = "", annotations } = descriptor;
      if (annotations?.["vnd.docker.reference.type"] !== undefined) return [];
      const inner = readBlobText(entries, descriptor);
      if (inner === undefined) return [];
      if (/index|manifest\.list/.test(mediaType))
        return collect(inner, descriptor.digest, depth + 1);
      const tag =
        annotations?.["io.containerd.image.name"] ??
        annotations?.["org.opencontainers.image.ref.name"];
      return readManifest(entries, inner, descriptor.digest).map((image) => ({
        image,
        tags: tag === undefined ? [] : [tag],
      }));
    });
  };
  return collect(entries.readText("index.json") ?? "", "index.json", 0);
}

function readManifest(entries: ArchiveEntries, text: string, name: string): PackedImage[] {
  const { config: descriptor, layers } = read(manifestSchema, text, name);
  const config = readBlobText(entries, descriptor);
  if (config === undefined)
    throw new Error(`it is incomplete: the configuration ${descriptor.digest} is not in it`);
  const named = (layers ?? []).map(({ digest: of, urls }) => {
    const [url] = urls ?? [];
    return { name: nameOfBlob(of), ...(url === undefined ? {} : { url }) };
  });
  return [makeImage(entries, config, named)];
}

function makeImage(
  entries: ArchiveEntries,
  config: string,
  named: readonly NamedLayer[],
): PackedImage {
  const {
    architecture,
    os = "linux",
    variant,
    rootfs,
  } = read(configSchema, config, "the configuration");
  const diffIds = rootfs.diff_ids ?? [];
  if (diffIds.length !== named.length)
    throw new Error(
      `it contradicts itself: ${named.length} layers, and the image's configuration has ${diffIds.length}`,
    );
  return {
    platform: [
      os,
      architecture,
      ...(variant === undefined || variant === "" ? [] : [variant]),
    ].join("/"),
    config,
    layers: named.map((layer, index) =>
      findLayer(entries, layer, (diffIds[index] ?? "").slice("sha256:".length)),
    ),
  };
}

function findLayer(
  entries: ArchiveEntries,
  { name, url }: NamedLayer,
  diffId: string,
): PackedLayer {
  const entry = entries.find(name);
  if (entry === undefined)
    throw new Error(
      url === undefined
        ? `it is incomplete: the layer ${name} is not in it`
        : `a layer of it is to be fetched from ${url}; hostkit sends only what is in the archive`,
    );
  const packing = recognizePacking(entry.head);
  if (packing === undefined) throw new Error(`its layer ${name} is packed with bzip2 or xz`);
  return {
    ...{ diffId, name: entry.name, size: entry.size, packing },
    ...(entry.offset === undefined ? {} : { offset: entry.offset }),
  };
}

function nameOfBlob(of: string): string {
  return `${blobFolder}/${of.slice("sha256:".length)}`;
}

function readBlobText(entries: ArchiveEntries, { digest: of }: Descriptor): string | undefined {
  const text = entries.readText(nameOfBlob(of));
  if (text !== undefined) requireHash(text, of.slice("sha256:".length), of);
  return text;
}

function requireHash(text: string, hash: string, name: string): void {
  if (hashText(text) !== hash)
    throw new Error(`it is damaged: ${name} in it is not what its name says (SHA-256)`);
}

function read<T>(schema: z.ZodType<T>, text: string, name: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`${name} in it is not JSON`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(
    `${name} in it is not as an image's is: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
  );
}
