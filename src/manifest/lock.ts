import { LineCounter, parseDocument, stringify } from "yaml";
import { z } from "zod";
import { readImageReference } from "../writers/image-reference.ts";
import type { AnyService, Manifest } from "./manifest.ts";
import { compareText } from "./order.ts";
import type { Problem } from "./problems.ts";
import { servicesOf } from "./services.ts";

/** Which image a tag meant when somebody looked. */
export interface LockedImage {
  /** Of the index where there is one, so that it is the same on hosts of any architecture. */
  readonly digest: string;
  /** What it can run on, sorted: `linux/amd64`, `linux/arm/v7`. */
  readonly platforms: readonly string[];
}

/** By `name:tag`. */
export type Lock = ReadonlyMap<string, LockedImage>;

/** The tag that Docker takes where none is written. */
const defaultTag = "latest";

const version = 1;

const lockSchema = z.object({
  version: z.literal(version),
  images: z.record(
    z.string(),
    z.object({
      digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
      platforms: z.array(z.string().regex(/^[a-z0-9]+\/[a-z0-9_.]+(?:\/[a-z0-9_.]+)?$/)).min(1),
    }),
  ),
});

/** An image that a manifest names by its tag alone, and whose it is. */
export interface TaggedImage {
  /** `name:tag`, its key in the lock. */
  readonly key: string;
  /** Names of services. */
  readonly services: readonly string[];
}

/** The key in the lock; undefined where the digest is written in the manifest itself. */
export function lockKeyOf(reference: string): string | undefined {
  const { name, tag = defaultTag, digest } = readImageReference(reference);
  return digest === undefined ? `${name}:${tag}` : undefined;
}

function keyOfService({ source }: AnyService): string | undefined {
  return source.kind === "image" ? lockKeyOf(source.reference) : undefined;
}

/** What `hostkit update` looks up, in stable order. */
export function listTaggedImages(manifest: Pick<Manifest, "services" | "web">): TaggedImage[] {
  const byKey = new Map<string, string[]>();
  for (const service of servicesOf(manifest)) {
    const key = keyOfService(service);
    if (key !== undefined) byKey.set(key, [...(byKey.get(key) ?? []), service.name]);
  }
  return [...byKey]
    .map(([key, services]) => ({ key, services }))
    .toSorted((left, right) => compareText(left.key, right.key));
}

/** Services whose image the lock does not know. */
export function findUnpinned(
  manifest: Pick<Manifest, "services" | "web">,
  lock: Lock,
): AnyService[] {
  return servicesOf(manifest).filter((service) => {
    const key = keyOfService(service);
    return key !== undefined && !lock.has(key);
  });
}

/** The lock of a manifest: `hostkit.yaml` → `hostkit.lock`; two manifests of one folder have one each. */
export function lockFileOf(manifestFile: string): string {
  return `${manifestFile.replace(/\.ya?ml$/i, "")}.lock`;
}

/** What stands in a lock's file. Never throws: what is wrong with it is a problem. */
export function parseLock(
  text: string,
  file: string,
): { readonly lock: Lock; readonly problem?: Problem } {
  const lines = new LineCounter();
  const fail = (message: string, line = 1, column = 1) => ({
    lock: new Map<string, LockedImage>(),
    problem: { severity: "error" as const, file, line, column, path: "", message },
  });
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: "error",
  });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    const isMerge = /^(?:<{7}|={7}|>{7})/m.test(text);
    return fail(
      `${isMerge ? "two versions of it were not merged" : "it is not YAML"}; take either, then \`hostkit update\` makes it right`,
      line,
      col,
    );
  }
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: 0 });
  } catch {
    return fail("it has aliases; `hostkit update` writes none");
  }
  const found = (plain as { version?: unknown } | null)?.version;
  if (typeof found === "number" && found > version)
    return fail(`it was written by a newer hostkit (format ${found}); this one knows ${version}`);
  const parsed = lockSchema.safeParse(plain);
  if (!parsed.success) {
    const at = parsed.error.issues[0]?.path.join(".") ?? "";
    return fail(
      `${at === "" ? "it" : at} is not as \`hostkit update\` writes it; remove the file, and \`hostkit update\` makes it anew`,
    );
  }
  return { lock: new Map(Object.entries(parsed.data.images)) };
}

/** The text of a lock's file; the same images give the same bytes. */
export function renderLock(lock: Lock): string {
  const images = [...lock]
    .toSorted(([left], [right]) => compareText(left, right))
    .map(([key, { digest, platforms }]) => [
      key,
      { digest, platforms: platforms.toSorted(compareText) },
    ]);
  return `# Which image each tag of the manifest means. Written by \`hostkit update\`; keep it with the manifest.
${stringify({ version, images: Object.fromEntries(images) as unknown }, { lineWidth: 0 })}`;
}
