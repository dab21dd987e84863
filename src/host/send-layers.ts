import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { HostkitError } from "../errors.ts";
import { layerFacts, layersSubject, sentLayerFacts } from "../facts/containers/layers.ts";
import type { SentLayers } from "../facts/containers/layers.ts";
import { need } from "../facts/fact.ts";
import { diskFacts } from "../facts/files/disk.ts";
import type { DiskFact } from "../facts/files/disk.ts";
import { layersDirectoryOf, layersFolderOf } from "../resources/containers/load.ts";
import { blobFolder, countKnown, listLayersFrom } from "../resources/containers/packed-image.ts";
import type { PackedImage, PackedLayer } from "../resources/containers/packed-image.ts";
import { sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import type { Connection } from "../ssh/connection.ts";
import { gatherFacts } from "./gather.ts";

export interface SendOptions {
  readonly stackDirectory: string;
  /** What the image will be called on the host, and whose it is. */
  readonly reference: string;
  readonly service: string;
  readonly image: PackedImage;
  /** Where the layers lie, for people. */
  readonly from: string;
  /** A layer's plain tar without its first `from` bytes. */
  open(layer: PackedLayer, from: number): Readable;
  /** Sends all layers, whatever the host says that it has. */
  readonly isWhole?: boolean;
  /** A new random hex word at each call. */
  newMarker(): string;
  onProgress?(progress: SendProgress): void;
  /** The link was lost, and what is sent goes on. */
  onNotice?(line: string): void;
}

export interface SendProgress {
  /** Of all that the host lacked when it was looked at, plain bytes; what an earlier command sent counts. */
  readonly sent: number;
  readonly total: number;
}

export interface SentImage {
  /** Plain bytes of packed layers, by diff id. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Layers that the host had, and all of them. */
  readonly known: number;
  readonly layers: number;
  /** Plain bytes that went over the link by this call. */
  readonly bytes: number;
}

/** A link that breaks so often without one more byte is given up. */
const maxLosses = 5;
/** Bytes; a part that becomes whole counts for more than it did. */
const largestLayer = 2 ** 40;
const dockerFolder = "/var/lib/docker";

/**
 * Brings those layers of an image onto a host that it lacks. A layer that was cut off goes on where it ended, also in a later call.
 * Each is looked at there by its SHA-256 before it counts as sent.
 * @throws HostkitError disk_full, file_missing (a layer is not what the archive says of it), host_unreachable
 */
export async function sendLayers(connection: Connection, options: SendOptions): Promise<SentImage> {
  const sizes = new Map<string, number>();
  let bytes = 0;
  let arrived = 0;
  for (let losses = 0; ; losses += 1) {
    try {
      const look = await lookForLayers(connection, options);
      if (losses > 0 && look.arrived > arrived) losses = 1;
      arrived = look.arrived;
      await sendMissing(connection, options, look, sizes, (more) => {
        bytes += more;
      });
      const { layers } = options.image;
      return { sizes, known: look.known, layers: layers.length, bytes };
    } catch (error) {
      if (!isLost(error)) throw error;
      if (losses >= maxLosses) throw explainLost(error, options);
      options.onNotice?.(
        "the connection was lost while layers were sent; they go on where they ended",
      );
    }
  }
}

async function sendMissing(
  connection: Connection,
  options: SendOptions,
  look: LayerLook,
  sizes: Map<string, number>,
  onBytes: (more: number) => void,
): Promise<void> {
  const { layers } = options.image;
  const due = listLayersFrom(layers, look.known).filter(
    ({ diffId }) => !look.sent.whole.has(diffId),
  );
  await measurePacked(options, listLayersFrom(layers, 0), sizes, look);
  const total = due.reduce((sum, layer) => sum + sizeOf(layer, sizes), 0);
  checkRoom(options, look, due, sizes);
  let done = 0;
  for (const layer of due) {
    const size = sizeOf(layer, sizes);
    const part = look.sent.parts.get(layer.diffId) ?? 0;
    const from = part <= size ? part : 0;
    await sendLayer(connection, options, { layer, size, from }, (offset, more) => {
      onBytes(more);
      options.onProgress?.({ sent: done + offset, total });
    });
    done += size;
  }
}

interface LayerLook {
  readonly known: number;
  readonly sent: SentLayers;
  /** Grows with what arrives. */
  readonly arrived: number;
  readonly disks: ReadonlyMap<string, DiskFact>;
  /** Bytes that could be unpacked at most. */
  readonly room: number;
}

async function lookForLayers(
  connection: Connection,
  { stackDirectory, reference, image, isWhole = false, newMarker }: SendOptions,
): Promise<LayerLook> {
  const folder = layersFolderOf(stackDirectory, reference);
  const facts = await gatherFacts(
    connection,
    [
      need(layerFacts, layersSubject),
      need(sentLayerFacts, folder),
      need(diskFacts, folder),
      need(diskFacts, dockerFolder),
    ],
    newMarker(),
  );
  const disks = facts.all(diskFacts);
  const sent = facts.get(sentLayerFacts, folder) ?? { whole: new Set(), parts: new Map() };
  return {
    known: isWhole ? 0 : countKnown(image.layers, facts.get(layerFacts, layersSubject) ?? []),
    sent,
    arrived: [...sent.parts.values()].reduce(
      (sum, size) => sum + size,
      sent.whole.size * largestLayer,
    ),
    disks,
    room: Math.min(Infinity, ...[...disks.values()].map(({ free }) => free * 1024)),
  };
}

function sizeOf(layer: PackedLayer, sizes: ReadonlyMap<string, number>): number {
  return sizes.get(layer.diffId) ?? layer.size;
}

/** What packed layers come to; one that grows beyond what the host has room for is not unpacked to its end. */
async function measurePacked(
  options: SendOptions,
  layers: readonly PackedLayer[],
  sizes: Map<string, number>,
  { room, sent }: LayerLook,
): Promise<void> {
  for (const layer of layers) {
    if (layer.packing === "none" || sizes.has(layer.diffId)) continue;
    let size = 0;
    for await (const chunk of options.open(layer, 0) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > room) throw explainRoom(options, sent, room, `more than ${formatMiB(room)}`);
    }
    sizes.set(layer.diffId, size);
  }
}

/** A layer stands in our folder, in Docker's own copy of what it reads, and unpacked. */
function checkRoom(
  options: SendOptions,
  { disks, sent }: LayerLook,
  due: readonly PackedLayer[],
  sizes: ReadonlyMap<string, number>,
): void {
  const total = due.reduce((sum, layer) => sum + sizeOf(layer, sizes), 0);
  const there = due.reduce((sum, { diffId }) => sum + (sent.parts.get(diffId) ?? 0), 0);
  const needs = new Map<string, { free: number; need: number }>();
  for (const [folder, { mount, free }] of disks) {
    const need = folder === dockerFolder ? 2 * total : Math.max(0, total - there);
    const known = needs.get(mount)?.need ?? 0;
    needs.set(mount, { free: free * 1024, need: known + need });
  }
  for (const { free, need } of needs.values())
    if (need > free) throw explainRoom(options, sent, free, `about ${formatMiB(need)}`);
}

const freeSpace = "free space on the host: docker system df; journalctl --vacuum-size=100M";

function explainRoom(
  { service, from }: SendOptions,
  { whole, parts }: SentLayers,
  free: number,
  needed: string,
): HostkitError {
  const isBegun = whole.size + parts.size > 0;
  return new HostkitError("disk_full", {
    what: `${formatMiB(free)} are free, and the layers of ${service} need ${needed}`,
    why: `they come from ${from}; ${isBegun ? "the run was not begun" : "nothing was sent or changed"}`,
    next: freeSpace,
  });
}

function explainFull({ service, from }: SendOptions): HostkitError {
  return new HostkitError("disk_full", {
    what: `the host had no space left while the layers of ${service} were sent`,
    why: `they come from ${from}; the run was not begun`,
    next: freeSpace,
  });
}

function formatMiB(bytes: number): string {
  return `${Math.ceil(bytes / 1024 / 1024)} MiB`;
}

interface DueLayer {
  readonly layer: PackedLayer;
  /** Of the plain tar. */
  readonly size: number;
  /** Bytes that are there already. */
  readonly from: number;
}

/** @param onBytes told how far the layer is, and how many bytes went just now */
async function sendLayer(
  connection: Connection,
  options: SendOptions,
  due: DueLayer,
  onBytes: (offset: number, more: number) => void,
): Promise<void> {
  const { layer, size, from } = due;
  const { stackDirectory, reference, service } = options;
  const folder = layersFolderOf(stackDirectory, reference);
  let offset = from;
  onBytes(offset, 0);
  const source = Readable.from(
    countBytes(options.open(layer, from), (more) => {
      offset += more;
      onBytes(offset, more);
    }),
    { objectMode: false },
  );
  const { isFar } = connection;
  const packed = isFar ? source.pipe(createGzip()) : source;
  if (packed !== source) source.on("error", (error) => packed.destroy(error));
  const all = layersDirectoryOf(stackDirectory);
  const { diffId } = layer;
  const script = takeScript({ all, folder, diffId, from, size, isPacked: isFar });
  const result = await connection
    .exec(script.text, { stdin: packed })
    .finally(() => source.destroy());
  const [word, said = ""] = result.stdout.trim().split(" ");
  if (word === "whole") return;
  if (word === "full") throw explainFull(options);
  // What was there before may have been cut in the middle of a write, by a power cut.
  if (word === "other" && from > 0)
    return sendLayer(connection, options, { ...due, from: 0 }, onBytes);
  if (word === "other") throw explainLie(options, layer, said);
  if (word === "short") throw explainLie(options, layer, "that of less bytes");
  throw new HostkitError("run_failed", {
    what: `the host did not take a layer of ${service}`,
    where: connection.description,
    why: "nothing was changed",
    details: result.stderr.trim().split("\n").slice(-10),
    next: "the same command again goes on from there",
  });
}

async function* countBytes(
  source: Readable,
  tell: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of source as AsyncIterable<Buffer>) {
    tell(chunk.length);
    yield chunk;
  }
}

interface Take {
  /** Folder of all layers. */
  readonly all: string;
  /** Of this image's. */
  readonly folder: string;
  readonly diffId: string;
  readonly from: number;
  readonly size: number;
  readonly isPacked: boolean;
}

/**
 * Writes at the place where it belongs, and goes on where a link that broke looks like the end: what is short stays. A process that an earlier link left behind writes the same bytes to the same place. What nobody
 * came back for within a week goes.
 */
function takeScript({ all, folder, diffId, from, size, isPacked }: Take): Script {
  const part = `part/${diffId}`;
  const whole = `${blobFolder}/${diffId}`;
  const take = sh`dd of=${part} bs=65536 iflag=fullblock oflag=seek_bytes seek=${from} conv=notrunc status=none 2>said`;
  return sh`set -eu
umask 077
mkdir -p ${folder}/${blobFolder} ${folder}/part
find ${all} -mindepth 1 -maxdepth 1 -type d -mtime +7 -exec rm -rf {} +
touch ${folder}
cd ${folder}
[ ${from} -gt 0 ] || rm -f ${part}
if ! ${isPacked ? sh`gzip -dc | ${take}` : take}; then
  if grep -q "No space left" said; then rm -rf part; echo full; exit 0; fi
  cat said >&2
  exit 1
fi
rm -f said
if [ -e ${whole} ]; then echo whole; exit 0; fi
if [ "$(stat -c %s ${part})" -ne ${size} ]; then echo short; exit 0; fi
sum=$(sha256sum ${part} | cut -c1-64)
if [ "$sum" != ${diffId} ]; then
  rm -f ${part}
  echo "other $sum"
  exit 0
fi
sync ${part}
mv ${part} ${whole}
echo whole`;
}

function explainLie({ from, service }: SendOptions, layer: PackedLayer, sum: string): HostkitError {
  return new HostkitError("file_missing", {
    what: `a layer of ${service} is not what its image says of it`,
    where: `${layer.name} in ${from}`,
    why: `its SHA-256 is ${sum}, and should be ${layer.diffId}: it is damaged, or was written to meanwhile; nothing was loaded or changed`,
    next: "save the image anew: docker save NAME:TAG -o FILE",
  });
}

function isLost(error: unknown): error is HostkitError {
  return error instanceof HostkitError && error.code === "host_unreachable";
}

function explainLost(error: HostkitError, { service }: SendOptions): HostkitError {
  return new HostkitError(
    "host_unreachable",
    {
      ...error.parts,
      what: `the link broke again and again while the layers of ${service} were sent`,
      why: `${error.parts.what}; nothing was changed, and what arrived is kept for a week`,
      next: "the same command again goes on from there",
    },
    { cause: error },
  );
}
