import { backupFirstKind } from "./backups/first-backup.ts";
import { backupPassphraseKind } from "./backups/passphrase.ts";
import { backupRepositoryKind } from "./backups/repository.ts";
import { blockKind } from "./files/block.ts";
import { caddyKind } from "./proxy/caddy.ts";
import { claimsKind } from "./claims.ts";
import { debKind } from "./packages/deb.ts";
import { directoryKind } from "./files/directory.ts";
import { downloadKind } from "./files/download.ts";
import { fileKind } from "./files/file.ts";
import { hostnameKind } from "./system/hostname.ts";
import { imageKind } from "./containers/image.ts";
import { jsonFileKind } from "./files/json-file.ts";
import { networkKind } from "./containers/network.ts";
import { nftablesKind } from "./system/nftables.ts";
import { packagedProgramKind } from "./packages/packaged-program.ts";
import { packagesKind } from "./packages/packages.ts";
import { postgresClusterKind } from "./postgres/cluster.ts";
import { postgresDatabaseKind } from "./postgres/database.ts";
import { postgresExtensionsKind } from "./postgres/extensions.ts";
import { postgresGrantsKind } from "./postgres/grants.ts";
import { postgresMigrationsKind } from "./postgres/migrations.ts";
import { postgresPasswordKind } from "./postgres/password.ts";
import { postgresRoleKind } from "./postgres/role.ts";
import { postgresSettingsKind } from "./postgres/settings.ts";
import { postgresTrialKind } from "./postgres/trial.ts";
import { releaseKind } from "./containers/release.ts";
import { restoreRecordKind } from "./backups/restore-record.ts";
import { restoredClusterKind } from "./backups/restored-cluster.ts";
import { restoredFilesKind } from "./backups/restored-files.ts";
import type { Group, Resource, ResourceKind, Touch } from "./resource.ts";
import { sshdKind } from "./system/sshd.ts";
import { swapKind } from "./system/swap.ts";
import { sysctlKind } from "./system/sysctl.ts";
import { targetKind } from "./units/target.ts";
import { timeSyncKind } from "./system/time-sync.ts";
import { timezoneKind } from "./system/timezone.ts";
import { unitKind } from "./units/unit.ts";
import { userKind } from "./system/user.ts";
import { volumeKind } from "./containers/volume.ts";

// A kind's diff only ever sees resources of its own kind: the registry is the one place where that type is let go.
// oxlint-disable-next-line typescript/no-explicit-any
type AnyKind = ResourceKind<any>;

/** Every kind there is, in the order of their names. */
export const allKinds: readonly AnyKind[] = [
  backupFirstKind,
  backupPassphraseKind,
  backupRepositoryKind,
  blockKind,
  caddyKind,
  claimsKind,
  debKind,
  directoryKind,
  downloadKind,
  fileKind,
  hostnameKind,
  imageKind,
  jsonFileKind,
  networkKind,
  nftablesKind,
  packagedProgramKind,
  packagesKind,
  postgresClusterKind,
  postgresDatabaseKind,
  postgresExtensionsKind,
  postgresGrantsKind,
  postgresMigrationsKind,
  postgresPasswordKind,
  postgresRoleKind,
  postgresSettingsKind,
  postgresTrialKind,
  releaseKind,
  restoreRecordKind,
  restoredClusterKind,
  restoredFilesKind,
  sshdKind,
  swapKind,
  sysctlKind,
  targetKind,
  timeSyncKind,
  timezoneKind,
  unitKind,
  userKind,
  volumeKind,
];

const byName: ReadonlyMap<string, AnyKind> = new Map(allKinds.map((kind) => [kind.kind, kind]));

/** Every kind's name. */
export const kindNames: readonly string[] = [...byName.keys()];

/** What the kind of a thing answers to whoever reads a plan. */
export function answersOf(thing: Pick<Resource, "kind" | "name">): {
  readonly kind: string;
  readonly name: string;
  readonly group: Group;
  readonly touches: readonly Touch[];
} {
  const kind = kindOf(thing);
  const { group } = kind;
  return { kind: thing.kind, name: thing.name, group, touches: kind.touches?.(thing) ?? [] };
}

/** The kind of a resource. @throws TypeError for a kind that nobody registered. */
export function kindOf(resource: Pick<Resource, "kind">): AnyKind {
  const kind = byName.get(resource.kind);
  if (kind === undefined) throw new TypeError(`no resource kind named ${resource.kind}`);
  return kind;
}
