import { exitCodes, HostkitError } from "../errors.ts";
import { requireLock, writeLockFile } from "../local/lock-file.ts";
import { listTaggedImages, lockFileOf } from "../manifest/lock.ts";
import type { Lock, LockedImage, TaggedImage } from "../manifest/lock.ts";
import { assertServices, findService } from "../manifest/services.ts";
import { describeUpdate, renderUpdate } from "../report/update.ts";
import type { LockChange } from "../report/update.ts";
import { lookUpImages } from "../session/ask-registries.ts";
import { openProject } from "../session/project.ts";
import type { Project } from "../session/project.ts";
import type { Verb } from "./line/verb.ts";

interface UpdateOptions {
  readonly check?: boolean;
  readonly here?: boolean;
}

/** Looks up which image each tag of the manifest means now, and keeps that in the lock. */
export const runUpdate: Verb<UpdateOptions> = async (context, { check, here }, names) => {
  const project = await openProject(context);
  const { loaded, manifest } = project;
  assertServices(manifest, names);
  const { lock, text } = await requireLock(loaded);
  const tagged = listTaggedImages(manifest);
  const wanted = chooseImages(project, tagged, names);
  const found = await lookUpImages(context, project, wanted, lock, here === true);
  const change = compare(tagged, lock, found);
  const isNew = change.images.some(({ state }) => state !== "same") || change.gone.length > 0;
  if (check !== true) await writeLockFile(loaded, change.lock, text);
  const file = lockFileOf(loaded.parsed.file);
  const shown = { file, isCheck: check === true, ...change };
  if (context.options.json === true)
    context.print(JSON.stringify(describeUpdate(shown), undefined, 2));
  else context.print(renderUpdate(shown, context.colors).join("\n"));
  return check === true && isNew ? exitCodes.changes : exitCodes.ok;
};

/**
 * Those of the services named, else all.
 * @throws HostkitError usage for a service whose image no tag names
 */
function chooseImages(
  { manifest }: Project,
  tagged: readonly TaggedImage[],
  names: readonly string[],
): readonly TaggedImage[] {
  if (names.length === 0) return tagged;
  for (const name of names) {
    if (tagged.some(({ services }) => services.includes(name))) continue;
    const kind = findService(manifest, name)?.source.kind;
    throw new HostkitError("usage", {
      what: `there is nothing to look up for ${name}`,
      why:
        kind === "image"
          ? "its image is pinned in the manifest itself, by its digest"
          : "it does not come from a registry",
      next: "services whose `image` has a tag can be updated: hostkit update",
    });
  }
  return tagged.filter(({ services }) => services.some((name) => names.includes(name)));
}

/** The lock as it should be. What nobody names any more goes; what was not asked for stays. */
function compare(
  tagged: readonly TaggedImage[],
  before: Lock,
  found: ReadonlyMap<string, LockedImage>,
): LockChange {
  const lock = new Map<string, LockedImage>();
  const images: LockChange["images"][number][] = [];
  for (const { key, services } of tagged) {
    const old = before.get(key);
    const now = found.get(key) ?? old;
    if (now === undefined) continue;
    lock.set(key, now);
    if (!found.has(key)) continue;
    const state = old === undefined ? "new" : old.digest === now.digest ? "same" : "changed";
    images.push({ key, services, state, now, ...(old === undefined ? {} : { old }) });
  }
  const gone = [...before.keys()].filter((key) => !tagged.some((one) => one.key === key)).sort();
  return { lock, images, gone };
}
