import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { hashText } from "../facts/files/hash.ts";
import { idOfImage } from "../resources/containers/packed-image.ts";
import type { ImageArchive, PackedLayer, Packing } from "../resources/containers/packed-image.ts";
import { ArchiveEntries, maxTextBytes, normalizeName } from "./archive-entries.ts";
import { listImages } from "./archive-images.ts";
import { recognizePacking, unpack } from "./unpack.ts";

/**
 * Reads what an image archive holds, as `docker save`, `podman save`, buildx and skopeo write them (Docker's form and OCI's), packed or
 * not. Nothing of it is written anywhere.
 * @throws Error that says what is wrong with it
 */
export async function readImageArchive(file: string): Promise<ImageArchive> {
  const packing = await readPacking(file);
  const entries = await readEntries(file, packing);
  const images = listImages(entries);
  const sha256 = hashText(
    images.map((image) => `${image.platform} ${idOfImage(image)}\n`).join(""),
  );
  const { size } = await stat(file);
  return { path: file, sha256, size, type: "file", packing, images };
}

/**
 * A layer's plain tar. Its bytes are those of the archive now: whoever takes them looks at their hash.
 * @param from how many bytes are left out at its beginning
 */
export function openLayer(
  archive: Pick<ImageArchive, "path" | "packing">,
  layer: PackedLayer,
  from = 0,
): Readable {
  const { offset, size, name, packing } = layer;
  if (offset === undefined) return leaveOut(unpack(openEntry(archive, name), packing), from);
  const first = packing === "none" ? Math.min(from, size) : 0;
  if (first === size) return Readable.from([]);
  const source = createReadStream(archive.path, { start: offset + first, end: offset + size - 1 });
  return leaveOut(unpack(source, packing), from - first);
}

function leaveOut(source: Readable, count: number): Readable {
  if (count === 0) return source;
  const rest = async function* (): AsyncGenerator<Buffer> {
    let left = count;
    for await (const chunk of source as AsyncIterable<Buffer>) {
      if (left < chunk.length) yield chunk.subarray(left);
      left = Math.max(0, left - chunk.length);
    }
  };
  return Readable.from(rest(), { objectMode: false });
}

async function readPacking(file: string): Promise<Packing> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    if (bytesRead === 0) throw new Error("it is empty");
    const packing = recognizePacking(buffer);
    if (packing !== undefined) return packing;
    throw new Error(
      "it is packed in a way that hostkit does not read; unpack it with xz -d or bunzip2",
    );
  } finally {
    await handle.close();
  }
}

async function readEntries(file: string, packing: Packing): Promise<ArchiveEntries> {
  const entries = new ArchiveEntries();
  const reader = extract();
  reader.on("entry", (header, content, next) => {
    const { name, type, size, linkname } = header;
    // Of an entry in an archive that is not packed, the place where its bytes stand; tar-stream's types do not tell of it.
    const { byteOffset } = header as { readonly byteOffset?: number };
    const offset = packing === "none" && byteOffset !== undefined ? { offset: byteOffset } : {};
    const head: Buffer[] = [];
    let kept = 0;
    content.on("data", (data) => {
      const chunk = data as Buffer;
      const limit = isText(head, chunk) ? maxTextBytes : 8;
      if (kept < limit) head.push(chunk.subarray(0, limit - kept));
      kept += chunk.length;
    });
    // The reader tells the same error.
    content.on("error", () => undefined);
    content.on("end", () => {
      try {
        entries.add({
          ...{ name, type: type ?? "file", size, ...offset },
          ...(typeof linkname === "string" ? { linkname } : {}),
          head: Buffer.concat(head),
        });
        next();
      } catch (error) {
        next(error as Error);
      }
    });
  });
  await pipeline(unpack(createReadStream(file), packing), reader).catch((error: unknown) => {
    throw explainUnreadable(error);
  });
  return entries;
}

/** JSON begins so; a layer's tar begins with a name. */
function isText(head: readonly Buffer[], chunk: Buffer): boolean {
  const first = (head[0] ?? chunk)[0];
  return first === 0x7b || first === 0x5b;
}

const cutShort =
  /unexpected end|premature|incorrect header|invalid tar header|invalid (?:block|code|distance|stored)/i;

function explainUnreadable(error: unknown): Error {
  const text = error instanceof Error ? error.message : String(error);
  if (/invalid tar header/i.test(text))
    return new Error("it is no tar archive, or damaged", { cause: error });
  if (cutShort.test(text)) return new Error("it is cut short or damaged", { cause: error });
  return error instanceof Error ? error : new Error(text);
}

/** One entry of a packed archive: all before it is unpacked and thrown away. */
function openEntry(
  { path, packing }: Pick<ImageArchive, "path" | "packing">,
  wanted: string,
): Readable {
  return Readable.from(readEntry(path, packing, wanted), { objectMode: false });
}

async function* readEntry(file: string, packing: Packing, wanted: string): AsyncGenerator<Buffer> {
  const source = unpack(createReadStream(file), packing);
  const reader = extract();
  source.on("error", (error) => reader.destroy(error));
  try {
    for await (const entry of source.pipe(reader)) {
      if (normalizeName(entry.header.name) !== wanted || entry.header.type !== "file") {
        entry.resume();
        continue;
      }
      yield* entry as AsyncIterable<Buffer>;
      return;
    }
    throw new Error(`${wanted} is no longer in ${file}`);
  } finally {
    source.destroy();
  }
}
