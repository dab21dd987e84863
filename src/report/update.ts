import type { Lock, LockedImage, TaggedImage } from "../manifest/lock.ts";
import { shortenDigest } from "../writers/image-reference.ts";
import type { Colors } from "./colors.ts";
import { table } from "./status.ts";

/** What a look at the registries makes of a lock. */
export interface LockChange {
  readonly lock: Lock;
  /** Those that were asked for. */
  readonly images: readonly (TaggedImage & {
    readonly state: "new" | "changed" | "same";
    readonly old?: LockedImage;
    readonly now: LockedImage;
  })[];
  /** Entries that no service names any more. */
  readonly gone: readonly string[];
}

interface ShownUpdate extends LockChange {
  readonly file: string;
  /** Nothing was written. */
  readonly isCheck: boolean;
}

/** For programs. */
export function describeUpdate({ file, isCheck, images, gone }: ShownUpdate): unknown {
  return {
    file,
    written: !isCheck,
    images: images.map(({ key, services, state, old, now }) => ({
      image: key,
      services,
      state,
      ...(old === undefined ? {} : { before: old.digest }),
      digest: now.digest,
      platforms: now.platforms,
    })),
    gone,
  };
}

/** For people: what is another one, old → new, and a line that says what came of it. */
export function renderUpdate(
  { file, isCheck, images, gone }: ShownUpdate,
  colors: Colors,
): string[] {
  const other = images.filter(({ state }) => state !== "same");
  const rows = other.map(({ key, services, old, now }) => [
    services.join(", "),
    key,
    `${old === undefined ? "not pinned" : shortenDigest(old.digest)} → ${shortenDigest(now.digest)}`,
  ]);
  const same = images.length - other.length;
  const asBefore = same === 0 ? [] : [`${same} as before`];
  const lines = [
    ...table(rows),
    ...gone.map(
      (key) => `no service names ${key} any more: its entry ${isCheck ? "is to go" : "went"}`,
    ),
  ];
  if (images.length === 0 && gone.length === 0)
    return [
      `${colors.green("✓")} no service names an image by its tag: there is nothing to look up`,
    ];
  if (other.length === 0 && gone.length === 0)
    return [`${colors.green("✓")} ${count(same)} in ${file}, all as the registries have them`];
  const told = [...(other.length === 0 ? [] : [`${count(other.length)} changed`]), ...asBefore];
  return [
    ...lines,
    isCheck
      ? `${file} is as before; hostkit update takes these${told.length === 0 ? "" : ` (${told.join(", ")})`}`
      : `${colors.green("✓")} ${file}: ${told.join(", ") || "tidied"}; hostkit plan shows what that means for the hosts`,
  ];
}

function count(number: number): string {
  return `${number} image${number === 1 ? "" : "s"}`;
}
