import type { Manifest, Repository } from "../../../manifest/schema.ts";
import { asKeeper, isAppendOnly } from "../../../manifest/sections/repositories.ts";
import type { BackupJob } from "../jobs.ts";
import { folderStorage } from "./folder.ts";
import { s3Storage } from "./s3.ts";
import { sftpStorage } from "./sftp.ts";
import { type Storage, type StorageDriver, toolFolder } from "./storage.ts";

const drivers: { readonly [Kind in Repository["kind"]]: StorageDriver<Kind> } = {
  local: folderStorage,
  sftp: sftpStorage,
  s3: s3Storage,
};

/** A repository of the manifest and what its kind makes of it. */
export interface StoredRepository {
  readonly name: string;
  /** Name of a secret. */
  readonly passphrase: string | undefined;
  readonly storage: Storage;
  /** The host adds to it and removes nothing. */
  readonly isAppendOnly: boolean;
  /** As whoever removes old backups from the controller reaches it. */
  readonly keeper?: Storage;
}

/** The repositories a tool writes to, in the order of their names: pgBackRest numbers them so. */
export function repositoriesOf(
  { stack, backups }: Pick<Manifest, "stack" | "backups">,
  tool: BackupJob["tool"],
): StoredRepository[] {
  const names = (tool === "postgres" ? backups?.postgres : backups?.files)?.repositories ?? [];
  return (backups?.repositories ?? [])
    .filter(({ name }) => names.includes(name))
    .map((repository) => {
      const driver = drivers[repository.kind] as (one: Repository, stack: string) => Storage;
      const { name, passphrase } = repository;
      const keeper = asKeeper(repository);
      return {
        ...{ name, passphrase, storage: driver(repository, stack) },
        isAppendOnly: isAppendOnly(repository),
        ...(keeper === undefined ? {} : { keeper: driver(keeper, stack) }),
      };
    });
}

/** The folders on the host itself that a tool writes its backups to. */
export function hostFoldersOf(
  manifest: Pick<Manifest, "stack" | "backups">,
  tool: BackupJob["tool"],
): string[] {
  return repositoriesOf(manifest, tool).flatMap(({ storage }) => hostFolderOf(storage, tool) ?? []);
}

/** The folder on the host itself that a tool's backups lie in; undefined: they lie elsewhere. */
export function hostFolderOf({ hostFolder }: Storage, tool: BackupJob["tool"]): string | undefined {
  return hostFolder === undefined ? undefined : toolFolder(hostFolder, tool);
}
