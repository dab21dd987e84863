import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import { ensureNodeImage } from "../../src/lab/node-image.ts";
import { openLayer, readImageArchive } from "../../src/local/image-archive.ts";

/** Files of a layer, by path. */
export type LayerFiles = Readonly<Record<string, string | Uint8Array>>;

/** The plain tar of a layer with these files. */
export async function makeLayer(files: LayerFiles): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files))
    tar.entry({ name, mode: 0o755, mtime: new Date(0) }, Buffer.from(content));
  tar.finalize();
  return buffer(tar);
}

/** The one layer of the lab's image with Node.js. */
export async function readNodeLayer(): Promise<Buffer> {
  const archive = await readImageArchive((await ensureNodeImage()).file);
  const layer = archive.images[0]?.layers[0];
  if (layer === undefined) throw new Error("the lab's image has no layer");
  return buffer(openLayer(archive, layer));
}

/** An image as `docker save` writes it; only those layers come with it that are not left out. */
export async function saveImage(
  file: string,
  layers: readonly Buffer[],
  { architecture = "amd64", command = ["node", "/server.js"] } = {},
): Promise<void> {
  const hashOf = (bytes: Buffer | string): string =>
    createHash("sha256").update(bytes).digest("hex");
  const hashes = layers.map(hashOf);
  const config = JSON.stringify({
    ...{ architecture, os: "linux", config: { Cmd: command } },
    rootfs: { type: "layers", diff_ids: hashes.map((hash) => `sha256:${hash}`) },
  });
  const name = `${hashOf(config)}.json`;
  const tar = pack();
  const written = pipeline(tar, createWriteStream(file));
  for (const [index, layer] of layers.entries())
    tar.entry({ name: `${hashes[index]}/layer.tar` }, layer);
  tar.entry({ name }, config);
  const saved = [
    { Config: name, RepoTags: ["page:1"], Layers: hashes.map((hash) => `${hash}/layer.tar`) },
  ];
  tar.entry({ name: "manifest.json" }, JSON.stringify(saved));
  tar.finalize();
  await written;
}
