import { blockKind } from "./block.ts";
import { directoryKind } from "./directory.ts";
import { fileKind } from "./file.ts";
import { hostnameKind } from "./hostname.ts";
import { nftablesKind } from "./nftables.ts";
import { packagesKind } from "./packages.ts";
import { postgresDatabaseKind } from "./postgres-database.ts";
import { postgresExtensionsKind } from "./postgres-extensions.ts";
import { postgresGrantsKind } from "./postgres-grants.ts";
import { postgresMigrationsKind } from "./postgres-migrations.ts";
import { postgresRoleKind } from "./postgres-role.ts";
import { postgresSettingsKind } from "./postgres-settings.ts";
import type { Resource, ResourceKind } from "./resource.ts";
import { sshdKind } from "./sshd.ts";
import { swapKind } from "./swap.ts";
import { sysctlKind } from "./sysctl.ts";
import { timeSyncKind } from "./time-sync.ts";
import { timezoneKind } from "./timezone.ts";
import { unitKind } from "./unit.ts";
import { userKind } from "./user.ts";

// A kind's diff only ever sees resources of its own kind: the registry is the one place where that type is let go.
// oxlint-disable-next-line typescript/no-explicit-any
type AnyKind = ResourceKind<any>;

const all: readonly AnyKind[] = [
  blockKind,
  directoryKind,
  fileKind,
  hostnameKind,
  nftablesKind,
  packagesKind,
  postgresDatabaseKind,
  postgresExtensionsKind,
  postgresGrantsKind,
  postgresMigrationsKind,
  postgresRoleKind,
  postgresSettingsKind,
  sshdKind,
  swapKind,
  sysctlKind,
  timeSyncKind,
  timezoneKind,
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
