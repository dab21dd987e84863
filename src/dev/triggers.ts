import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { GitRules } from "../local/watch.ts";
import type { SourceChange } from "../local/watch.ts";

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
  readonly #seen = new Map<string, Saved>();
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
      const saved = await readSaved(file);
      const before = this.#seen.get(file);
      const isSame = before?.hash === saved.hash;
      // Saved once more after a failure: somebody wants it tried again. The same time is the same save, told of twice.
      const isRetry =
        (this.#hasFailed || this.#isRetryWanted) && before?.modifiedAt !== saved.modifiedAt;
      if (isSame && (isMeanwhile || !isRetry)) continue;
      this.#seen.set(file, saved);
      const echoes = isMeanwhile ? (this.#echoes.get(file) ?? 0) + 1 : 0;
      this.#echoes.set(file, echoes);
      if (echoes <= patience) cause = "sources";
    }
    return { cause, paths: sources.length > 0 ? sources : paths };
  }

  /** Files judged before that are others now: the watching may lose what is saved twice within a moment. */
  async findMissed(): Promise<string[]> {
    const found = await Promise.all(
      [...this.#seen].map(async ([file, { hash }]) =>
        (await readSaved(file)).hash === hash ? [] : [file],
      ),
    );
    return found.flat();
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

interface Saved {
  readonly hash: string;
  /** Milliseconds since the epoch; 0: gone. */
  readonly modifiedAt: number;
}

async function readSaved(file: string): Promise<Saved> {
  try {
    const { mtimeMs } = await stat(file);
    const hash = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    return { hash, modifiedAt: mtimeMs };
  } catch {
    return { hash: "gone", modifiedAt: 0 };
  }
}
