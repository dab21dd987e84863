import { bytesOf, hashText } from "../../facts/files/hash.ts";
import type { Blob } from "../blob.ts";
import type { BuildSource } from "./build-source.ts";

/** How bytes are packed, by their first ones. */
export type Packing = "none" | "gzip" | "zstd";

/** A layer of an image as it lies in an archive or on a builder. */
export interface PackedLayer {
  /** SHA-256 of the plain tar, hexadecimal: the image's own word for it. */
  readonly diffId: string;
  /** Its name where it lies. */
  readonly name: string;
  /** Bytes as they lie there; those of the plain tar where it is not packed. */
  readonly size: number;
  readonly packing: Packing;
  /** Where its bytes begin, in an archive that is not packed itself. */
  readonly offset?: number;
}

/** One image of an archive, for one platform. */
export interface PackedImage {
  /** `linux/amd64`, `linux/arm/v7` */
  readonly platform: string;
  /** The configuration, byte by byte; its hash is the image's id. */
  readonly config: string;
  /** From the base on. */
  readonly layers: readonly PackedLayer[];
}

/** An image archive on the controller. `sha256` is over the ids of its images: how it is packed does not matter. */
export interface ImageArchive extends Blob {
  readonly packing: Packing;
  /** One for each platform. */
  readonly images: readonly PackedImage[];
}

/** An image that is not made on the host: those of its layers go there, before a run begins, that it lacks. */
export interface Delivery {
  /** What the image will be called on the host. */
  readonly reference: string;
  readonly service: string;
  readonly origin:
    | { readonly kind: "archive"; readonly archive: ImageArchive; readonly image: PackedImage }
    /** Its layers are known once it is built. */
    | {
        readonly kind: "elsewhere";
        /** `here`: the controller; else the host that builds it. */
        readonly on: string;
        readonly build: BuildSource;
        readonly architecture: string;
      };
}

/** Where an image is built that is not built on its own host, for a person. */
export function placeOf(on: string): string {
  return on === "here" ? "this machine" : on;
}

/** Bytes of the layers of an image that a host lacks, as they lie in the archive; 0 where nobody knows yet. */
export function measureDelivery(
  { origin }: Delivery,
  known: readonly (readonly string[])[],
): number {
  return origin.kind === "archive" ? measureMissing(origin.image.layers, known) : 0;
}

/** Whether a file that was read is an archive of images. */
export function isImageArchive(blob: Blob): blob is ImageArchive {
  return "images" in blob;
}

/** The id that Docker gives an image: the hash of its configuration. */
export function idOfImage({ config }: Pick<PackedImage, "config">): string {
  return hashText(config);
}

/**
 * How many layers of an image, from its base on, a host has: Docker takes an image without the files of layers whose whole chain down
 * to the base is there.
 * @param known the layers of each image that is on the host
 */
export function countKnown(
  layers: readonly Pick<PackedLayer, "diffId">[],
  known: readonly (readonly string[])[],
): number {
  let most = 0;
  for (const chain of known) {
    let same = 0;
    while (same < layers.length && layers[same]?.diffId === chain[same]) same += 1;
    most = Math.max(most, same);
  }
  return most;
}

/** What is missing from `first` on, each file once. */
export function listLayersFrom(layers: readonly PackedLayer[], first: number): PackedLayer[] {
  return [...new Map(layers.slice(first).map((layer) => [layer.diffId, layer])).values()];
}

/** Bytes of the layers that a host lacks, as they lie in the archive. */
export function measureMissing(
  layers: readonly PackedLayer[],
  known: readonly (readonly string[])[],
): number {
  return listLayersFrom(layers, countKnown(layers, known)).reduce((sum, { size }) => sum + size, 0);
}

/** Folder of the layers' files in what `docker load` reads. */
export const blobFolder = "blobs/sha256";

/**
 * All that `docker load` reads of an image besides its layers, whose plain tars stand in `blobFolder` by their digest. Twice: as
 * `docker save` writes it (Docker's own store reads that), and as an OCI layout (the image store of containerd).
 * @param sizes of the plain tars, by diff id
 */
export function writeLayout(
  image: PackedImage,
  reference: string,
  sizes: ReadonlyMap<string, number>,
): { readonly path: string; readonly text: string }[] {
  const configHash = idOfImage(image);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: `sha256:${configHash}`,
      size: bytesOf(image.config).length,
    },
    layers: image.layers.map(({ diffId, size }) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest: `sha256:${diffId}`,
      size: sizes.get(diffId) ?? size,
    })),
  });
  const manifestHash = hashText(manifest);
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: `sha256:${manifestHash}`,
        size: bytesOf(manifest).length,
        annotations: {
          "io.containerd.image.name": `docker.io/${reference}`,
          "org.opencontainers.image.ref.name": reference.slice(reference.lastIndexOf(":") + 1),
        },
      },
    ],
  };
  const saved = [
    {
      Config: `${blobFolder}/${configHash}`,
      RepoTags: [reference],
      Layers: image.layers.map(({ diffId }) => `${blobFolder}/${diffId}`),
    },
  ];
  return [
    { path: "oci-layout", text: JSON.stringify({ imageLayoutVersion: "1.0.0" }) },
    { path: "index.json", text: JSON.stringify(index) },
    { path: "manifest.json", text: JSON.stringify(saved) },
    { path: `${blobFolder}/${configHash}`, text: image.config },
    { path: `${blobFolder}/${manifestHash}`, text: manifest },
  ];
}
