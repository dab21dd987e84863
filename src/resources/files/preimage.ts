import { hashText } from "../../facts/files/hash.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { RemoveContext } from "../resource.ts";

/**
 * Where the copy of a replaced file is kept on the host. Beside it: `.none` where nothing stood there, so that a run that was cut short
 * leaves no doubt whose the file is that the next one finds; `.restored` once it was put back, until the run has ended.
 */
export function preimagePath(path: string, stackDirectory: string): string {
  return `${stackDirectory}/preimages/${hashText(path).slice(0, 32)}`;
}

/**
 * Keeps what stands at `path` before hostkit writes there, once and for all: what is hostkit's own is never taken for it.
 * @param isFirst hostkit has not written there yet, as far as the state file knows
 */
export function keepScript(path: string, stackDirectory: string, isFirst: boolean): Script {
  return sh`hk_keep_once ${path} ${preimagePath(path, stackDirectory)} ${isFirst ? "first" : "again"}`;
}

/** Puts back what stood at `path` before hostkit, or removes it. A second time, after a run that was cut short, it does nothing. */
export function restoreScript(
  path: string,
  context: Pick<RemoveContext, "stackDirectory">,
): Script {
  return sh`hk_give_back ${preimagePath(path, context.stackDirectory)} ${path}`;
}
