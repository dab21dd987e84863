import { blockKind } from "./block.ts";
import { directoryKind } from "./directory.ts";
import { fileKind } from "./file.ts";
import { packagesKind } from "./packages.ts";
import type { Resource, ResourceKind } from "./resource.ts";
import { unitKind } from "./unit.ts";
import { userKind } from "./user.ts";

// A kind's diff only ever sees resources of its own kind: the registry is the one place where that type is let go.
// oxlint-disable-next-line typescript/no-explicit-any
type AnyKind = ResourceKind<any>;

const all: readonly AnyKind[] = [
  blockKind,
  directoryKind,
  fileKind,
  packagesKind,
  unitKind,
  userKind,
];

const byName: ReadonlyMap<string, AnyKind> = new Map(all.map((kind) => [kind.kind, kind]));

/** The kind of a resource. @throws TypeError for a kind that nobody registered. */
export function kindOf(resource: Pick<Resource, "kind">): AnyKind {
  const kind = byName.get(resource.kind);
  if (kind === undefined) throw new TypeError(`no resource kind named ${resource.kind}`);
  return kind;
}
