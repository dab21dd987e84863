import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import * as zlib from "node:zlib";
import { execa } from "execa";
import { HostkitError } from "../errors.ts";
import type { Packing } from "../resources/containers/packed-image.ts";

/** How bytes are packed, by their first ones; undefined: in a way that hostkit does not know. */
export function recognizePacking(first: Uint8Array): Packing | undefined {
  const begins = (...bytes: readonly number[]): boolean =>
    bytes.every((byte, index) => first[index] === byte);
  if (begins(0x1f, 0x8b)) return "gzip";
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  // bzip2 and xz
  if (begins(0x42, 0x5a, 0x68) || begins(0xfd, 0x37, 0x7a, 0x58, 0x5a)) return undefined;
  return "none";
}

/** The plain bytes; an error of either stream becomes the result's. */
export function unpack(source: Readable, packing: Packing): Readable {
  if (packing === "none") return source;
  const plain = packing === "gzip" ? createGunzip() : openZstd(source);
  source.on("error", (error) => plain.destroy(error));
  plain.on("close", () => source.destroy());
  if (plain.writable === true) source.pipe(plain as unknown as NodeJS.WritableStream);
  return plain;
}

type Unpacker = Readable & { readonly writable?: boolean };

/** Node has it from 22.15 on; before that the program of that name does it. */
function openZstd(source: Readable): Unpacker {
  const create = (zlib as { readonly createZstdDecompress?: () => Unpacker }).createZstdDecompress;
  if (create !== undefined) return create();
  const child = execa("zstd", ["-dcq"], { input: source, buffer: false, encoding: "buffer" });
  const plain = child.readable();
  child.catch((error: unknown) => {
    const isAway = (error as { code?: unknown }).code === "ENOENT";
    plain.destroy(
      isAway
        ? new HostkitError("local_command_failed", {
            what: "layers that are packed with zstd cannot be read here",
            why: "Node.js knows zstd from version 22.15 on, and there is no program zstd",
            next: "apt-get install zstd   or save the image anew: docker save NAME:TAG -o FILE",
          })
        : new Error("it is packed with zstd, and cut short or damaged", { cause: error }),
    );
  });
  return plain;
}
