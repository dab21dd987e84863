import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { GitRules } from "../../local/watch.ts";
import type { SourceChange } from "../../local/watch.ts";

/** So often a build may change a file of its own before the file counts as made by it. */
const patience = 2;

/**
 * Tells which changes ask for the build commands: those of sources. What git ignores is made by builds; so is what a
 * build writes each time it runs. A file that was written again with the same content has not changed.
 */
export class BuildTriggers {
  readonly #rules: GitRules;
  readonly #hashes = new Map<string, string>();
  /** How often in a row a file was changed while a build ran. */
  readonly #echoes = new Map<string, number>();
  #began = 0;
  #ended = 0;

  /** @param folder of the manifest, absolute */
  constructor(folder: string) {
    this.#rules = new GitRules(folder);
  }

  async isDue({ paths, savedAt }: SourceChange): Promise<boolean> {
    const isEcho = savedAt >= this.#began && savedAt <= this.#ended;
    let isDue = false;
    for (const file of paths) {
      if (this.#rules.ignores(file)) continue;
      const hash = await hashFile(file);
      if (this.#hashes.get(file) === hash) continue;
      this.#hashes.set(file, hash);
      const echoes = isEcho ? (this.#echoes.get(file) ?? 0) + 1 : 0;
      this.#echoes.set(file, echoes);
      if (echoes <= patience) isDue = true;
    }
    return isDue;
  }

  /** Runs a build, and remembers when. */
  async during(build: () => Promise<void>): Promise<void> {
    this.#began = Date.now();
    try {
      await build();
    } finally {
      this.#ended = Date.now();
    }
  }
}

function hashFile(file: string): Promise<string> {
  return readFile(file).then(
    (content) => createHash("sha256").update(content).digest("hex"),
    () => "gone",
  );
}
