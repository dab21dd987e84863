import path from "node:path";
import { decodeText } from "./decode-text.ts";

/** An entry of an image archive. */
export interface ArchiveEntry {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly offset?: number;
  readonly linkname?: string;
  /** Its first bytes; all of them where it may be JSON. */
  readonly head: Buffer;
}

/** A manifest, an index or a configuration is some kilobytes. */
export const maxTextBytes = 4 * 1024 * 1024;
const maxTextsBytes = 64 * 1024 * 1024;
const maxEntries = 20_000;
const maxHops = 8;

/** What an archive holds, by name. Nothing is written to a disk, so a name leads nowhere but to another entry. */
export class ArchiveEntries {
  readonly #entries = new Map<string, ArchiveEntry>();
  #kept = 0;

  /** @throws Error beyond what an archive of images may hold */
  add(entry: ArchiveEntry): void {
    this.#kept += entry.head.length;
    if (this.#entries.size >= maxEntries || this.#kept > maxTextsBytes)
      throw new Error("it holds more than any image archive does");
    const name = normalizeName(entry.name);
    if (name !== undefined) this.#entries.set(name, entry);
  }

  /** A file by its name, through links within the archive; the name that it has itself comes with it. */
  find(written: string): (ArchiveEntry & { readonly name: string }) | undefined {
    let name = normalizeName(written);
    for (let hops = 0; hops < maxHops && name !== undefined; hops++) {
      const entry = this.#entries.get(name);
      if (entry === undefined) return undefined;
      if (entry.type === "file") return { ...entry, name };
      if (entry.type !== "symlink" && entry.type !== "link") return undefined;
      const base = entry.type === "symlink" ? path.posix.dirname(name) : ".";
      name = normalizeName(`${base}/${entry.linkname ?? ""}`);
    }
    return undefined;
  }

  /** @throws Error where it is too large or not UTF-8 */
  readText(name: string): string | undefined {
    const entry = this.find(name);
    if (entry === undefined) return undefined;
    if (entry.size > maxTextBytes) throw new Error(`${name} in it is larger than any such file`);
    if (entry.head.length < entry.size) throw new Error(`${name} in it is not JSON`);
    const decoded = decodeText(entry.head);
    if (!("text" in decoded)) throw new Error(`${name} in it is not UTF-8`);
    return decoded.text;
  }
}

/** Undefined for a name that leads out of the archive. */
export function normalizeName(name: string): string | undefined {
  const normal = path.posix.normalize(name).replace(/\/+$/, "");
  return normal.startsWith("/") || normal === ".." || normal.startsWith("../") ? undefined : normal;
}
