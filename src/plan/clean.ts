import type { ImageLeftover, Leftovers } from "../facts/leftovers.ts";
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
  const { kinds, leftovers, stackDirectory } = input;
  const removals: Removal[] = [];
  if (kinds.has("images")) removals.push(...planImages(input));
  if (kinds.has("runs")) removals.push(...planRuns(input));
  const { dev } = leftovers;
  if (kinds.has("sources") && dev !== undefined && !dev.isNeeded) {
    removals.push({
      kind: "sources",
      name: `${stackDirectory}/dev`,
      because: "sent by hostkit dev; no release has them mounted",
      bytes: dev.bytes,
      script: sh`! cat /etc/hostkit/*/containers/*.sh 2>/dev/null | grep -qF ${`${stackDirectory}/dev/`} || { echo "a release has them mounted by now" >&2; exit 1; }
rm -rf ${`${stackDirectory}/dev`}`,
    });
  }
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

function planImages(input: CleaningInput): Removal[] {
  const { images, isEngineOurs } = input.leftovers;
  const repositories = new Set(input.services.map((name) => `hostkit/${input.stack}-${name}`));
  const pulled = new Set<string>();
  for (const owned of input.owned) {
    if (owned.kind !== "image") continue;
    const repository = String(owned["reference"]).replace(/(?:@.*|:[^:/]*)$/, "");
    if (owned["isOurs"] === true) repositories.add(repository);
    else pulled.add(repository);
  }
  const isFree = (image: ImageLeftover) => !image.isUsed && !image.isNamed;
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
    const names = image.isDangling ? [image.id] : [...image.tags, ...image.digests];
    return { kind: "images", name: nameOf(image), because, bytes, script: imageScript(names) };
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
      ? "no slot has this release"
      : undefined;
  }
  // Who pulls by hand pulls a tag; hostkit pulls by digest.
  if (digests.length > 0) {
    return digests.every((digest) => pulled.has(repositoryOf(digest)))
      ? "pulled for a release that no slot has"
      : undefined;
  }
  // Without a name nobody can mean it; where Docker is not ours it may be somebody's work all the same.
  return isDangling && isEngineOurs ? "left of a build that was not finished" : undefined;
}

function nameOf({ id, tags, digests }: ImageLeftover): string {
  return tags[0] ?? digests[0] ?? id.slice(0, 19);
}

/** Without force: Docker refuses what a container has. */
function imageScript(names: readonly string[]): Script {
  return sh`for name in ${names}; do
  ! cat /etc/hostkit/*/containers/*.sh 2>/dev/null | grep -qF " $name " || { echo "a release names it by now" >&2; exit 1; }
done
docker image rm ${names} >/dev/null`;
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
