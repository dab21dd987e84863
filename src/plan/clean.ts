import { findUnrecorded, needsOf } from "../facts/containers/releases.ts";
import type { StackReleases } from "../facts/containers/releases.ts";
import type { ImageLeftover, Leftovers } from "../facts/leftovers.ts";
import { recordFunctions } from "../resources/containers/records.ts";
import type { Owned } from "../resources/resource.ts";
import { joinScripts, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";

/** Kinds of things that can go from a host. */
export const hostKinds = ["images", "runs", "sources", "apt"] as const;
export type HostKind = (typeof hostKinds)[number];

/** One thing that would go. */
export interface Removal {
  readonly kind: HostKind;
  readonly name: string;
  /** Why nobody needs it. */
  readonly because: string;
  /** About so much is freed. */
  readonly bytes: number;
  /** Looks once more and removes; a status other than 0 means that it stayed, with the reason on stderr. */
  readonly script: Script;
}

export interface CleaningInput {
  readonly stack: string;
  readonly stackDirectory: string;
  readonly leftovers: Leftovers;
  /** Releases of all stacks of the host, by stack. */
  readonly releases: ReadonlyMap<string, StackReleases>;
  /** What hostkit owns there. */
  readonly owned: Iterable<Owned>;
  /** Services of the manifest. */
  readonly services: readonly string[];
  readonly kinds: ReadonlySet<HostKind>;
  /** So many of the newest runs stay. */
  readonly keepRuns: number;
}

/**
 * What can go from a host: never data, volumes, backups, what runs, or what the release before it needs.
 * @returns in the order in which it goes
 */
export function planCleaning(input: CleaningInput): Removal[] {
  const { kinds, leftovers } = input;
  const removals: Removal[] = [];
  if (kinds.has("images")) removals.push(...planImages(input));
  if (kinds.has("runs")) removals.push(...planRuns(input));
  if (kinds.has("sources")) removals.push(...planSources(input));
  if (kinds.has("apt") && leftovers.aptBytes > 0) {
    removals.push({
      kind: "apt",
      name: "/var/cache/apt/archives",
      because: "packages that are installed; apt fetches them again",
      bytes: leftovers.aptBytes,
      script: sh`apt-get clean`,
    });
  }
  return removals;
}

function planSources({ leftovers, releases, stack, stackDirectory }: CleaningInput): Removal[] {
  const { dev } = leftovers;
  const folder = `${stackDirectory}/dev`;
  // Without a record nobody knows what a release has mounted.
  if (dev === undefined || dev.isWatched || findUnrecorded(releases.get(stack)).length > 0)
    return [];
  if (needsOf(releases.values()).binds.some((bind) => bind.startsWith(`${folder}/`))) return [];
  return [
    {
      kind: "sources",
      name: folder,
      because: "sent by hostkit dev; no release has them mounted",
      bytes: dev.bytes,
      script: joinScripts([
        recordFunctions,
        sh`if hk_needs_folder ${folder}; then echo "a release has them mounted by now" >&2; exit 1; fi
rm -rf ${folder}`,
      ]),
    },
  ];
}

function planImages(input: CleaningInput): Removal[] {
  const { images, isEngineOurs } = input.leftovers;
  const needed = needsOf(input.releases.values()).images;
  const unrecorded = findUnrecorded(input.releases.get(input.stack));
  const repositories = new Set(input.services.map((name) => `hostkit/${input.stack}-${name}`));
  const pulled = new Set<string>();
  for (const owned of input.owned) {
    if (owned.kind !== "image") continue;
    const repository = String(owned["reference"]).replace(/(?:@.*|:[^:/]*)$/, "");
    if (owned["isOurs"] === true) repositories.add(repository);
    else pulled.add(repository);
  }
  // Of a service that no record tells about stays all, until the next provision has written one.
  for (const service of unrecorded) repositories.delete(`hostkit/${input.stack}-${service}`);
  if (unrecorded.length > 0) pulled.clear();
  const isFree = (image: ImageLeftover) =>
    !image.isUsed && !namesOf(image).some((name) => needed.has(name));
  const chosen = images.filter(isFree).flatMap((image) => {
    const because = explainImage(image, repositories, pulled, isEngineOurs);
    return because === undefined ? [] : [{ image, because }];
  });
  // A layer goes when none of those that stay has it; it counts once.
  const gone = new Set(chosen.map(({ image }) => image));
  const counted = new Set(
    images.filter((image) => !gone.has(image)).flatMap(({ layers }) => Object.keys(layers)),
  );
  return chosen.map(({ image, because }) => {
    let bytes = 0;
    for (const [layer, size] of Object.entries(image.layers)) {
      if (!counted.has(layer)) bytes += size;
      counted.add(layer);
    }
    return { kind: "images", name: nameOf(image), because, bytes, script: imageScript(image) };
  });
}

function explainImage(
  { tags, digests, isDangling }: ImageLeftover,
  repositories: ReadonlySet<string>,
  pulled: ReadonlySet<string>,
  isEngineOurs: boolean,
): string | undefined {
  const repositoryOf = (name: string) => name.replace(/(?:@.*|:[^:/]*)$/, "");
  if (tags.length > 0) {
    return tags.every((tag) => repositories.has(repositoryOf(tag)))
      ? "no release needs it"
      : undefined;
  }
  // Who pulls by hand pulls a tag; hostkit pulls by digest.
  if (digests.length > 0) {
    return digests.every((digest) => pulled.has(repositoryOf(digest)))
      ? "pulled for a release that is gone"
      : undefined;
  }
  // Without a name nobody can mean it; where Docker is not ours it may be somebody's work all the same.
  return isDangling && isEngineOurs ? "left of a build that was not finished" : undefined;
}

/** All that a release may call it. */
function namesOf({ id, tags, digests }: ImageLeftover): string[] {
  return [id, ...tags, ...digests, ...digests.map((name) => name.slice(name.indexOf("@") + 1))];
}

function nameOf({ id, tags, digests }: ImageLeftover): string {
  return tags[0] ?? digests[0] ?? id.slice(0, 19);
}

/** Without force: Docker refuses what a container has. */
function imageScript(image: ImageLeftover): Script {
  const names = image.isDangling ? [image.id] : [...image.tags, ...image.digests];
  return joinScripts([
    recordFunctions,
    sh`if hk_needs_image ${namesOf(image)}; then echo "a release needs it by now" >&2; exit 1; fi
docker image rm ${names} >/dev/null`,
  ]);
}

function planRuns({ leftovers, stackDirectory, keepRuns }: CleaningInput): Removal[] {
  const over = leftovers.runs.filter(({ state }) => state !== "running");
  const old = over.slice(0, Math.max(0, leftovers.runs.length - keepRuns));
  const removals: Removal[] = old.map(({ id, bytes }) => ({
    kind: "runs",
    name: `run ${id}`,
    because: `older than the newest ${keepRuns}`,
    bytes,
    script: sh`rm -rf ${`${stackDirectory}/runs/${id}`}`,
  }));
  for (const { id, payloadBytes } of over.slice(old.length)) {
    if (payloadBytes === 0) continue;
    const run = `${stackDirectory}/runs/${id}`;
    removals.push({
      kind: "runs",
      name: `what run ${id} brought`,
      because: "it is over; its journal stays",
      bytes: payloadBytes,
      script: joinScripts([
        sh`find ${`${run}/c`} -type f -size +16k ! -name ${"*.log"} ! -path ${"*/steps/*"} -delete`,
        sh`rm -rf ${run}/c/*/files ${run}/c/*/stdin`,
      ]),
    });
  }
  return removals;
}
