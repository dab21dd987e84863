import { globOf, isPattern, isWithin, plainPath } from "./context-entries.ts";
import { listNeeded } from "./dockerfile-stages.ts";
import type { ContextUse, Stages } from "./dockerfile-stages.ts";

/** What is in a build context, as `listTree` lists it. */
export interface ContextListing {
  readonly entries: readonly string[];
  /** Of these, symbolic links. */
  readonly links: ReadonlySet<string>;
}

/**
 * The part of a context that the build of a target takes: what its stages copy and mount, with the folders above. Undefined: the whole,
 * wherever anything is in doubt (variables that only the build knows, links on the way, a Dockerfile that copies nothing by itself,
 * whose base image may do so with ONBUILD).
 */
export function takeEntries(
  stages: Stages,
  { entries, links }: ContextListing,
  target?: string,
): string[] | undefined {
  const needed = listNeeded(stages, target).flatMap((number) => stages.all[number] ?? []);
  const uses = needed.flatMap((stage) => stage.uses);
  const isDoubtful =
    uses.length === 0 ||
    stages.isUncertain ||
    needed.some(({ base }) => base?.includes("onbuild") === true);
  if (isDoubtful) return undefined;
  const taken = new Set<string>();
  for (const use of uses) {
    const found = take(use, entries, links);
    if (found === undefined) return undefined;
    for (const entry of found) taken.add(entry);
  }
  for (const entry of [...taken])
    for (let end = entry.indexOf("/"); end !== -1; end = entry.indexOf("/", end + 1))
      taken.add(entry.slice(0, end));
  return entries.filter((entry) => taken.has(entry));
}

/** What one source takes; undefined: that is not certain. */
function take(
  { source }: ContextUse,
  entries: readonly string[],
  links: ReadonlySet<string>,
): readonly string[] | undefined {
  if (source === undefined) return undefined;
  const path = plainPath(source);
  if (path === "") return undefined;
  const pattern = isPattern(path) ? globOf(path) : undefined;
  if (isPattern(path) && pattern === undefined) return undefined;
  const roots = pattern === undefined ? [path] : entries.filter((entry) => pattern.test(entry));
  if (roots.some((root) => passesLink(root, links))) return undefined;
  return entries.filter((entry) => roots.some((root) => isWithin(entry, root)));
}

/** What is named is followed to where a link leads; links inside a copied folder stay links. */
function passesLink(path: string, links: ReadonlySet<string>): boolean {
  const parts = path.split("/");
  return parts.some((_, index) => links.has(parts.slice(0, index + 1).join("/")));
}
