import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { GitRules } from "../../local/watch.ts";
import type { SourceChange } from "../../local/watch.ts";

/** So often a build may change a file of its own before the file counts as made by it. */
const patience = 2;
/** Events of what a build did come a little after its end. */
const echoMs = 300;

/**
 * What a change is: of `sources`, which asks for the build commands; of what is `made` by somebody else; an `echo` of the
 * session's own builds, of which all is known already.
 */
export type Cause = "sources" | "made" | "echo";

export interface Verdict {
  readonly cause: Cause;
  /** Of the files those that a person would name: the sources, where there are any. */
  readonly paths: readonly string[];
}

/**
 * Tells causes apart. What git ignores is made; so is what a build writes each time it runs. A file that was written again
 * with the same content has not changed.
 */
export class BuildTriggers {
  readonly #rules: GitRules;
  readonly #hashes = new Map<string, string>();
  /** How often in a row a file was changed while a build ran. */
  readonly #echoes = new Map<string, number>();
  #began = 0;
  #ended = 0;
  #hasFailed = false;
  #isRetryWanted = false;

  /** @param folder of the manifest, absolute */
  constructor(folder: string) {
    this.#rules = new GitRules(folder);
  }

  async judge({ paths, savedAt }: SourceChange): Promise<Verdict> {
    const isMeanwhile = savedAt >= this.#began && savedAt <= this.#ended + echoMs;
    const sources = paths.filter((file) => !this.#rules.ignores(file));
    let cause: Cause = isMeanwhile || (this.#hasFailed && sources.length === 0) ? "echo" : "made";
    for (const file of sources) {
      const hash = await hashFile(file);
      const isSame = this.#hashes.get(file) === hash;
      // Saved once more after a failure: somebody wants it tried again.
      if (isSame && (isMeanwhile || !(this.#hasFailed || this.#isRetryWanted))) continue;
      this.#hashes.set(file, hash);
      const echoes = isMeanwhile ? (this.#echoes.get(file) ?? 0) + 1 : 0;
      this.#echoes.set(file, echoes);
      if (echoes <= patience) cause = "sources";
    }
    return { cause, paths: sources.length > 0 ? sources : paths };
  }

  /** How a pass went: after one that failed, a file that is saved as it was asks for another. */
  settle(isFine: boolean): void {
    this.#isRetryWanted = !isFine;
  }

  /** Runs a build, and remembers when. */
  async during(build: () => Promise<void>): Promise<void> {
    this.#began = Date.now();
    this.#hasFailed = true;
    try {
      await build();
      this.#hasFailed = false;
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
