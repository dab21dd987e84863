import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type Pack, pack } from "tar-stream";
import { type Recipe, ensureImage, runMmdebstrap } from "./base.ts";
import { readMachineApt } from "./machine-apt.ts";
import { type LabPaths, labPaths } from "./paths.ts";
import { imageSystem, labSystems } from "./systems.ts";

/** The tag under which `docker load` knows the image. */
export const nodeImageTag = "hostkit-lab/node:20";

/** A container image archive, as `docker save` writes it. */
export interface NodeImage {
  readonly tag: string;
  /** A gzipped archive: `docker load --input FILE`. */
  readonly file: string;
}

/**
 * Builds (once per recipe) a container image with Debian's Node.js 20, for hosts that reach no registry.
 * Essential packages, nodejs and ca-certificates; no apt, no documentation, no npm.
 */
export async function ensureNodeImage(
  options: {
    log?: (line: string) => void;
    paths?: LabPaths;
    /** Further Debian packages in it. */
    packages?: readonly string[];
  } = {},
): Promise<NodeImage> {
  const { log = () => undefined, paths = labPaths(), packages = [] } = options;
  const { codename } = labSystems[imageSystem];
  const recipe: Recipe = {
    purpose: "node",
    codename,
    variant: "essential",
    packages: ["nodejs", "ca-certificates", ...packages],
    setup: `rm -rf "$1"/usr/share/doc "$1"/usr/share/nodejs/corepack "$1"/var/cache/debconf/*-old\n`,
    apt: await readMachineApt(codename),
    dpkg: ["doc", "man", "info", "locale", "zoneinfo/right"].map(
      (part) => `path-exclude=/usr/share/${part}/*`,
    ),
  };
  const file = await ensureImage(recipe, {
    paths,
    log,
    what: "the container image with Node.js",
    suffix: ".tar.gz",
    make: async (target) => {
      const layer = `${target}.layer`;
      try {
        await runMmdebstrap(recipe, layer, "tar");
        await writeImageArchive({
          layer,
          target,
          tag: nodeImageTag,
          command: ["node"],
        });
      } finally {
        await rm(layer, { force: true });
      }
    },
  });
  return { tag: nodeImageTag, file };
}

interface ImageArchive {
  /** A plain tar: the whole file system of the image. */
  readonly layer: string;
  readonly target: string;
  readonly tag: string;
  readonly command: readonly string[];
}

/**
 * Wraps one file system into an image archive (Docker image specification v1.2), gzipped.
 * Equal layers give equal bytes: the time of creation is fixed.
 */
export async function writeImageArchive({
  layer,
  target,
  tag,
  command,
}: ImageArchive): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(layer), hash);
  const diffId = hash.digest("hex");
  const config = JSON.stringify({
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    created: "2025-01-01T00:00:00Z",
    config: {
      Cmd: command,
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${diffId}`] },
    history: [{ created: "2025-01-01T00:00:00Z", created_by: "hostkit lab" }],
  });
  const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
  const manifest = JSON.stringify([
    { Config: configName, RepoTags: [tag], Layers: [`${diffId}/layer.tar`] },
  ]);
  const archive = pack();
  const written = pipeline(archive, createGzip({ level: 6 }), createWriteStream(target));
  const filled = (async () => {
    addText(archive, configName, config);
    addText(archive, "manifest.json", manifest);
    const entry = archive.entry({
      name: `${diffId}/layer.tar`,
      size: (await stat(layer)).size,
      mtime: new Date(0),
    });
    await pipeline(createReadStream(layer), entry);
    archive.finalize();
  })();
  await Promise.all([written, filled]);
}

function addText(archive: Pack, name: string, text: string): void {
  archive.entry({ name, mtime: new Date(0) }, text);
}
