import { createReadStream } from "node:fs";
import { lstat, readFile, readdir, readlink } from "node:fs/promises";
import path from "node:path";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import dockerignore from "@balena/dockerignore";
import { type Pack, pack } from "tar-stream";
import type { Blob } from "../resources/resource.ts";
import { decodeText, requireText } from "./decode-text.ts";
import { explainFileError } from "./paths.ts";

/**
 * A folder as a blob: its `sha256` and `size` are those of the tar stream that `openTree` gives, so the stream's length is
 * known beforehand and the host can check what it got. Owners and times are left out and modes reduced to "executable or
 * not": two checkouts of the same commit have the same hash.
 *
 * @param folder absolute path; a `.dockerignore` in it says what stays behind, as `docker build` would
 * @param keep relative paths that are sent even when they are ignored: the Dockerfile
 */
export async function readTree(folder: string, keep: readonly string[] = []): Promise<Blob> {
  const { entries } = await listTree(folder, ignoreFile, keep);
  return hashTree(folder, entries);
}

/** Some entries of a folder as a blob. */
export async function hashTree(folder: string, entries: readonly string[]): Promise<Blob> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of openTree(folder, entries)) {
    hash.update(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  return { path: folder, sha256: hash.digest("hex"), size, type: "tree", entries };
}

/** The tar stream of a folder's entries, in the order given. The same files give the same bytes. */
export function openTree(folder: string, entries: readonly string[]): Readable {
  return openPack(async (tar) => {
    for (const entry of entries) await addEntry(tar, folder, entry);
  });
}

/** A tar stream that is written while it is read; what `fill` throws becomes the stream's error. */
export function openPack(fill: (tar: Pack) => Promise<void>): Readable {
  const tar = pack();
  fill(tar).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return Readable.from(tar, { objectMode: false });
}

/** One regular file of a known size, streamed into the tar. */
export async function addStream(
  tar: Pack,
  header: { readonly name: string; readonly mode: number; readonly size: number },
  content: Readable,
): Promise<void> {
  const entry = tar.entry({ ...header, mtime: new Date(0), type: "file" });
  // It tells its end twice where the content fails: the second time nobody listens any more.
  entry.on("error", () => undefined);
  await pipeline(content, entry);
}

async function addEntry(tar: Pack, folder: string, name: string): Promise<void> {
  const file = path.join(folder, name);
  const facts = await lstat(file);
  const mtime = new Date(0);
  if (facts.isSymbolicLink()) {
    tar.entry({ name, type: "symlink", linkname: await readlink(file), mode: 0o777, mtime });
  } else if (facts.isDirectory()) {
    tar.entry({ name: `${name}/`, type: "directory", mode: 0o755, mtime });
  } else {
    const mode = (facts.mode & 0o111) === 0 ? 0o644 : 0o755;
    await addStream(tar, { name, mode, size: facts.size }, createReadStream(file));
  }
}

/** What `docker build` reads first in a context. */
export const ignoreFile = ".dockerignore";

/**
 * Relative paths of all that `docker build` would send, sorted by code unit; sockets and devices are left out.
 * @param ignore the file, in the folder, that says what stays behind
 * @param keep relative paths that are listed even when they are ignored
 */
export async function listTree(
  folder: string,
  ignore: string,
  keep: readonly string[] = [],
): Promise<{ readonly entries: string[]; readonly links: ReadonlySet<string> }> {
  const kept = new Set(keep);
  const links = new Set<string>();
  const ignoreText = await readFile(path.join(folder, ignore)).then(
    (bytes) => readable(ignore, () => requireText(bytes)),
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    },
  );
  const rules = dockerignore.default({ ignorecase: false }).add(ignoreText);
  const readmits = /^\s*!/m.test(ignoreText) || kept.size > 0;
  const found: string[] = [];
  const walk = async (relative: string): Promise<void> => {
    const items = await readdir(path.join(folder, relative), {
      withFileTypes: true,
      encoding: "buffer",
    });
    for (const item of items) {
      const { text, isExact } = decodeName(item.name);
      const name = relative === "" ? text : `${relative}/${text}`;
      const ignored = rules.ignores(name) && !kept.has(name) && name !== ignore;
      if (ignored && !isExact) continue;
      if (!isExact) throw unfitName(`the name of ${name}`);
      // A later "!" rule or `keep` may take back what lies inside an ignored folder.
      if (item.isDirectory() && (!ignored || readmits)) await walk(name);
      if (ignored || !(item.isDirectory() || item.isFile() || item.isSymbolicLink())) continue;
      if (item.isSymbolicLink()) {
        const target = await readlink(path.join(folder, name), { encoding: "buffer" });
        if (!decodeName(target).isExact) throw unfitName(`the target of the link ${name}`);
        links.add(name);
      }
      found.push(name);
    }
  };
  await walk("");
  return { entries: found.sort((left, right) => (left < right ? -1 : 1)), links };
}

/** A file's name is bytes; one that is not UTF-8 is shown with a backslash, and is not a path that could be opened. */
function decodeName(bytes: Uint8Array): { readonly text: string; readonly isExact: boolean } {
  const decoded = decodeText(bytes);
  if ("text" in decoded) return { text: decoded.text, isExact: true };
  const text = Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f
      ? String.fromCodePoint(byte)
      : `\\x${byte.toString(16).padStart(2, "0")}`,
  ).join("");
  return { text, isExact: false };
}

function unfitName(what: string): Error {
  return new Error(
    `${what} is not UTF-8, and would be another one in the image; rename it, or name it in .dockerignore`,
  );
}

function readable<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${file}: ${explainFileError(error)}`, { cause: error });
  }
}
