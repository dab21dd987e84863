import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type Readable, Transform } from "node:stream";
import { HostkitError } from "../errors.ts";
import { bytesOf } from "../facts/files/hash.ts";
import type { BundleEntry } from "../plan/bundle.ts";
import type { Blob, Content } from "../resources/resource.ts";
import { addStream, openPack, openTree } from "./tree.ts";

/**
 * A run's bundle as one tar stream: files only (0600, root, no times), parents are left to `tar -x`.
 * Files of the controller are streamed from disk; a folder becomes one file that is itself a tar.
 * The same entries give the same bytes.
 *
 * @throws (as the stream's error) HostkitError file_missing when a file is gone or no longer what it was when it was hashed
 */
export function packBundle(entries: readonly BundleEntry[]): Readable {
  return openPack(async (tar) => {
    for (const { path, content } of entries) {
      const header = { name: path, mode: 0o600 };
      if ("blob" in content) {
        await addStream(tar, { ...header, size: content.blob.size }, openBlob(content.blob));
      } else {
        tar.entry({ ...header, mtime: new Date(0), type: "file" }, bufferOf(content));
      }
    }
  });
}

function bufferOf(content: Exclude<Content, { readonly blob: Blob }>): Buffer {
  return Buffer.from(bytesOf("text" in content ? content.text : content.secret));
}

/** The blob's bytes; fails before the last one when they are not those that were hashed, so that no half-right file arrives. */
export function openBlob(blob: Blob): Readable {
  const source =
    blob.type === "tree" ? openTree(blob.path, blob.entries ?? []) : createReadStream(blob.path);
  const hash = createHash("sha256");
  let seen = 0;
  let held: Buffer | undefined;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      seen += chunk.length;
      if (held !== undefined) this.push(held);
      held = chunk;
      done(seen > blob.size ? changedError(blob) : null);
    },
    flush(done) {
      if (seen !== blob.size || hash.digest("hex") !== blob.sha256) return done(changedError(blob));
      if (held !== undefined) this.push(held);
      done();
    },
  });
  source.on("error", (cause: NodeJS.ErrnoException) => check.destroy(unreadableError(blob, cause)));
  check.on("close", () => source.destroy());
  return source.pipe(check);
}

function changedError(blob: Blob): HostkitError {
  return new HostkitError("file_missing", {
    what: `${blob.path} changed while it was being uploaded`,
    why: "its content is no longer what the plan was made from",
    next: "run the command again when the file is complete",
  });
}

function unreadableError(blob: Blob, cause: NodeJS.ErrnoException): HostkitError {
  return new HostkitError(
    "file_missing",
    { what: `${blob.path} cannot be read any more`, why: cause.message },
    { cause },
  );
}
