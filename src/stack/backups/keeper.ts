import { HostkitError } from "../../errors.ts";
import type { Manifest, Repository } from "../../manifest/schema.ts";
import { asKeeper, identityOf, secretNamesOf } from "../../manifest/sections/repositories.ts";
import type { Script } from "../../shell/script.ts";
import { pgbackrestName, pgbackrestValue } from "../../writers/pgbackrest.ts";
import { keepWords } from "./files.ts";
import { backupPlaces } from "./jobs.ts";
import type { BackupJob } from "./jobs.ts";
import { retentionOptions } from "./postgres.ts";
import { secretOf } from "./storages/storage.ts";
import type { AccessFile, Storage, Values } from "./storages/storage.ts";
import { repositoriesOf } from "./storages/storages.ts";

/** A repository that old backups are removed from on the controller, with all that the tools there need. */
export interface KeptRepository {
  readonly repository: string;
  /** Files that only their owner may read; paths are in the folder. */
  readonly files: readonly AccessFile[];
  /** Shell that comes first, in the folder. */
  readonly prepare: readonly Script[];
  readonly postgres?: { readonly config: string };
  readonly restic?: {
    readonly url: string;
    readonly password: string;
    /** A file with environment variables. */
    readonly environment: string | undefined;
    readonly options: readonly string[];
    /** What is kept, as restic's words. */
    readonly keep: readonly string[];
  };
}

/** What has to be read on the controller for it: secrets by name, a private key file by its path. */
export function keeperNeeds(repository: Repository): { secrets: string[]; identity?: string } {
  const keeper = asKeeper(repository);
  const names = keeper === undefined ? [] : secretNamesOf(keeper);
  const identity = keeper === undefined ? undefined : identityOf(keeper);
  return {
    secrets: [...names, ...(repository.passphrase === undefined ? [] : [repository.passphrase])],
    ...(identity === undefined ? {} : { identity }),
  };
}

/**
 * The append-only repositories that old backups are to be removed from.
 * @param names absent: every one that somebody here may remove from
 * @throws HostkitError usage where there is none, or one of these is none
 */
export function chooseKept(manifest: Manifest, names: readonly string[]): Repository[] {
  const all = manifest.backups?.repositories ?? [];
  const kept = all.filter((one) => asKeeper(one) !== undefined);
  const known = kept.map(({ name }) => name).join(", ");
  const other = names.find((name) => !kept.some((one) => one.name === name));
  if (other !== undefined) {
    const isThere = all.some(({ name }) => name === other);
    throw new HostkitError("usage", {
      what: isThere
        ? `nobody here may remove backups from ${other}`
        : `there is no repository ${JSON.stringify(other)}`,
      where: `backups.repositories${isThere ? `.${other}` : ""}`,
      why:
        known === ""
          ? "no repository says append_only with what opens it for removing"
          : `append_only says who may for: ${known}`,
      next: isThere
        ? "of a repository that is not append-only the host removes old backups itself; for one that is: docs/backups.md, “Append-only”"
        : "hostkit backup list",
    });
  }
  if (kept.length === 0)
    throw new HostkitError("usage", {
      what: "there is no repository that old backups are removed from here",
      why: "no repository says append_only with what opens it for removing; from all others the host removes old backups itself",
      next: "docs/backups.md, “Append-only”",
    });
  return names.length === 0 ? kept : kept.filter(({ name }) => names.includes(name));
}

/**
 * What pgBackRest and restic on the controller are told of a repository.
 * @param folder on the controller, for nobody else
 */
export function describeKept(
  manifest: Manifest,
  name: string,
  values: Values,
  folder: string,
): KeptRepository {
  const move = movedTo(manifest.stack, name, folder);
  const postgres = findKept(manifest, name, "postgres");
  const files = findKept(manifest, name, "files");
  const storage = postgres ?? files;
  return {
    repository: name,
    files: [
      ...(files === undefined ? [] : passwordFile(manifest, name, values)),
      ...(postgres?.pgbackrest.access("repo1", values) ?? []),
      ...(files?.restic.access(values) ?? []),
    ].map(({ path, secret }) => ({ path: move(path), secret: move(secret) })),
    prepare: (["postgres", "files"] as const)
      .filter((tool) => (tool === "postgres" ? postgres : files) !== undefined)
      .flatMap((tool) => storage?.prepare(tool, "self") ?? [])
      .map(({ text }) => ({ text: move(text) })),
    ...(postgres === undefined
      ? {}
      : { postgres: { config: move(pgbackrestConfig(manifest, name, postgres, values, folder)) } }),
    ...(files === undefined || manifest.backups?.files === undefined
      ? {}
      : {
          restic: {
            url: files.restic.url,
            password: move(backupPlaces(manifest.stack).passphrase(name, "files")),
            environment: files.restic.environment && move(files.restic.environment),
            options: files.restic.options.map(move),
            keep: keepWords(manifest.backups.files),
          },
        }),
  };
}

function findKept(manifest: Manifest, name: string, tool: BackupJob["tool"]): Storage | undefined {
  return repositoriesOf(manifest, tool).find((one) => one.name === name)?.keeper;
}

/** Files of hosts, in text: they lie in the folder here. */
function movedTo(stack: string, name: string, folder: string): (text: string) => string {
  const places = backupPlaces(stack);
  const paths = (["postgres", "files"] as const).flatMap((tool) => [
    places.passphrase(name, tool),
    places.identity(name, tool),
    places.knownHosts(name, tool),
  ]);
  const all = [...paths, places.pgbackrestAccess(name), places.environment(name)];
  const here = (path: string): string => `${folder}/${path.slice(1).replaceAll("/", "_")}`;
  return (text) => all.reduce((moved, path) => moved.replaceAll(path, here(path)), text);
}

function passwordOf(manifest: Manifest, name: string, values: Values): string {
  const { passphrase } = manifest.backups?.repositories.find((one) => one.name === name) ?? {};
  if (passphrase === undefined) throw new TypeError(`${name} has no passphrase`);
  return secretOf(values, passphrase);
}

function passwordFile(manifest: Manifest, name: string, values: Values): AccessFile[] {
  const path = backupPlaces(manifest.stack).passphrase(name, "files");
  return [{ path, secret: `${passwordOf(manifest, name, values)}\n` }];
}

/** The whole of it, with what opens the repository: its access files begin with the section too. */
function pgbackrestConfig(
  manifest: Manifest,
  name: string,
  { pgbackrest }: Storage,
  values: Values,
  folder: string,
): string {
  const { backups, stack } = manifest;
  const section = `[${pgbackrestName(stack).text}]`;
  const options = [
    ...pgbackrest.options("repo1"),
    ["repo1-cipher-type", "aes-256-cbc"],
    ["repo1-cipher-pass", passwordOf(manifest, name, values)],
    ...(backups?.postgres === undefined ? [] : retentionOptions(backups.postgres, "repo1")),
  ];
  const access = pgbackrest
    .access("repo1", values)
    .filter(({ secret }) => secret.startsWith(section))
    .map(({ secret }) => secret.slice(section.length).trim());
  return [
    section,
    `lock-path=${folder}/lock`,
    "log-level-file=off",
    ...options.map(([key = "", value = ""]) => `${key}=${pgbackrestValue(value).text}`),
    ...access,
    "",
  ].join("\n");
}
