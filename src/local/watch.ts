import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { watch } from "chokidar";
import ignore from "ignore";
import type { Ignore } from "ignore";

/** Files that were saved one shortly after the other. */
export interface SourceChange {
  /** Absolute. */
  readonly paths: readonly string[];
  /** When the last of them was saved: milliseconds since the epoch. */
  readonly savedAt: number;
}

export interface WatchOptions {
  /** Absolute; everything below it that git would take is watched. */
  readonly folder: string;
  /** Absolute paths that are watched whatever git says of them: what builds make, files elsewhere. */
  readonly also: readonly string[];
  /** Absolute paths that are not watched in any case: what the watcher itself writes. */
  readonly never: readonly string[];
  onChange(change: SourceChange): void;
  onError(error: unknown): void;
}

/** Editors write these beside the file that is meant. */
const editorFiles = /(?:~|\.sw[a-z]|\.tmp|\.bak)$|^(?:\.#.*|#.*#|4913)$/;
const neverWatched = new Set([".git", ".hg", ".svn", "node_modules", ".hostkit"]);
/** Saving all files of an editor is one change. */
const settleMs = 40;
/** A file that was written longer ago was copied or moved here just now. */
const freshMs = 15_000;
/** So often an empty file is given time to be filled; some are meant to be empty. */
const emptyAttempts = 5;

export interface Watching {
  /** From now on these are watched too. */
  also(paths: readonly string[]): void;
  close(): Promise<void>;
}

/** Watches sources until it is closed; resolves once nothing can be missed any more. */
export async function watchSources(options: WatchOptions): Promise<Watching> {
  const { folder } = options;
  const also = [...options.also];
  const rules = new GitRules(folder);
  const isBelow = (file: string, root: string) => file === root || file.startsWith(`${root}/`);
  const isAbove = (file: string) => also.some((root) => isBelow(root, file));
  const ignored = (file: string): boolean => {
    const name = path.basename(file);
    if (options.never.includes(file)) return true;
    if (isAbove(file)) return false;
    if (also.some((root) => isBelow(file, root)))
      return editorFiles.test(name) || name === "node_modules";
    if (neverWatched.has(name) || editorFiles.test(name)) return true;
    return isBelow(file, folder) && rules.ignores(file);
  };
  const changed = new Set<string>();
  /** Made since the watching began, and not told of yet: editors and tools write beside a file, and rename it then. */
  const fresh = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const tell = async (attempt: number): Promise<void> => {
    // Whoever writes a file in place empties it first.
    if (attempt < emptyAttempts && (await hasEmpty([...changed]))) return settle(attempt + 1);
    const taken = [...changed].sort();
    changed.clear();
    const { paths, savedAt } = await readTimes(taken, fresh);
    for (const file of paths) fresh.delete(file);
    if (paths.length > 0) options.onChange({ paths, savedAt });
  };
  const settle = (attempt: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void tell(attempt), settleMs);
  };
  const watcher = watch([folder, ...also], { ignoreInitial: true, ignored });
  watcher.on("error", options.onError);
  watcher.on("all", (event, file) => {
    if (event === "addDir") return;
    if (event === "add" && !changed.has(file)) fresh.add(file);
    if (event === "unlink" && fresh.delete(file)) changed.delete(file);
    else changed.add(file);
    settle(0);
  });
  await new Promise<void>((resolve) => watcher.once("ready", () => resolve()));
  return {
    also(paths) {
      const fresh = paths.filter((file) => !also.includes(file));
      also.push(...fresh);
      if (fresh.length > 0) watcher.add(fresh);
    },
    async close() {
      clearTimeout(timer);
      await watcher.close();
    },
  };
}

async function hasEmpty(files: readonly string[]): Promise<boolean> {
  const sizes = await Promise.all(
    files.map((file) =>
      stat(file).then(
        (facts) => (facts.isFile() ? facts.size : 1),
        () => 1,
      ),
    ),
  );
  return sizes.includes(0);
}

/**
 * The newest time of these files where it is fresh (a copied or moved file keeps an old one); else now.
 * Files of `fresh` that are gone again are left out.
 */
async function readTimes(
  files: readonly string[],
  fresh: ReadonlySet<string>,
): Promise<SourceChange> {
  const now = Date.now();
  const times = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  const newest = Math.max(0, ...times);
  return {
    paths: files.filter((file, index) => times[index] !== 0 || !fresh.has(file)),
    savedAt: newest > now - freshMs && newest <= now ? newest : now - settleMs,
  };
}

/** What the .gitignore files from the repository's root down to a file say. */
export class GitRules {
  readonly #root: string;
  readonly #rules = new Map<string, Ignore | undefined>();

  constructor(folder: string) {
    this.#root = folder;
    for (let at = folder; path.dirname(at) !== at; at = path.dirname(at)) {
      if (readText(path.join(at, ".git/HEAD")) === undefined) continue;
      this.#root = at;
      break;
    }
  }

  ignores(file: string): boolean {
    // From the inside out: the nearest file has the last word.
    for (let at = path.dirname(file); at.startsWith(this.#root); at = path.dirname(at)) {
      const verdict = this.#of(at)?.test(path.relative(at, file));
      if (verdict?.ignored === true) return true;
      if (verdict?.unignored === true) return false;
      if (at === this.#root) break;
    }
    return false;
  }

  #of(folder: string): Ignore | undefined {
    if (!this.#rules.has(folder)) {
      const text = readText(path.join(folder, ".gitignore"));
      // `dist/` means folders only; whether a path is one is not known here, so both are taken.
      const lines = text?.replaceAll(/\/[ \t]*$/gm, "");
      this.#rules.set(folder, lines === undefined ? undefined : ignore().add(lines));
    }
    return this.#rules.get(folder);
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
