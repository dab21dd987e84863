import { backupFirstKind } from "./backup-first.ts";
import { backupPassphraseKind } from "./backup-passphrase.ts";
import { backupRepositoryKind } from "./backup-repository.ts";
import { blockKind } from "./block.ts";
import { caddyKind } from "./caddy.ts";
import { claimsKind } from "./claims.ts";
import { debKind } from "./deb.ts";
import { directoryKind } from "./directory.ts";
import { downloadKind } from "./download.ts";
import { fileKind } from "./file.ts";
import { hostnameKind } from "./hostname.ts";
import { imageKind } from "./image.ts";
import { jsonFileKind } from "./json-file.ts";
import { networkKind } from "./network.ts";
import { nftablesKind } from "./nftables.ts";
import { packagedProgramKind } from "./packaged-program.ts";
import { packagesKind } from "./packages.ts";
import { postgresClusterKind } from "./postgres-cluster.ts";
import { postgresDatabaseKind } from "./postgres-database.ts";
import { postgresExtensionsKind } from "./postgres-extensions.ts";
import { postgresGrantsKind } from "./postgres-grants.ts";
import { postgresMigrationsKind } from "./postgres-migrations.ts";
import { postgresPasswordKind } from "./postgres-password.ts";
import { postgresRoleKind } from "./postgres-role.ts";
import { postgresSettingsKind } from "./postgres-settings.ts";
import { postgresTrialKind } from "./postgres-trial.ts";
import { releaseKind } from "./release.ts";
import type { Resource, ResourceKind } from "./resource.ts";
import { sshdKind } from "./sshd.ts";
import { swapKind } from "./swap.ts";
import { sysctlKind } from "./sysctl.ts";
import { targetKind } from "./target.ts";
import { timeSyncKind } from "./time-sync.ts";
import { timezoneKind } from "./timezone.ts";
import { unitKind } from "./unit.ts";
import { userKind } from "./user.ts";
import { volumeKind } from "./volume.ts";

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

/** The kind of a resource. @throws TypeError for a kind that nobody registered. */
export function kindOf(resource: Pick<Resource, "kind">): AnyKind {
  const kind = byName.get(resource.kind);
  if (kind === undefined) throw new TypeError(`no resource kind named ${resource.kind}`);
  return kind;
}
