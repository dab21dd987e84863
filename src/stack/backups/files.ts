import { hashText } from "../../facts/files/hash.ts";
import type { FileBackup, Manifest } from "../../manifest/schema.ts";
import { backupPassphrase } from "../../resources/backups/passphrase.ts";
import { backupRepository } from "../../resources/backups/repository.ts";
import { directory, directoryId } from "../../resources/files/directory.ts";
import { file } from "../../resources/files/file.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import { writtenShell } from "../../writers/written.ts";
import { configDirectoryOf, stackDirectoryOf, volumePath } from "../names.ts";
import { packagesId } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { renderTemplate } from "../render-template.ts";
import { backupPlaces } from "./jobs.ts";
import { listCovers, listQuiesceGroups } from "./quiesce-groups.ts";
import { tryNewKeys } from "./new-keys.ts";
import type { Repositories } from "./postgres.ts";
import { secretOf } from "./storages/storage.ts";
import { hostFolderOf, repositoriesOf, type StoredRepository } from "./storages/storages.ts";

/** What the host's script has to know of one restic repository. The order of its keys is part of a hash that hosts know. */
interface ScriptRepository {
  readonly name: string;
  readonly password: string;
  /** Of a local one. */
  readonly folder: string | undefined;
  readonly environment: string | undefined;
  /** Further words of every call. */
  readonly options: readonly string[];
  readonly url: string;
}

/** restic's script, passwords and repositories. */
export function resolveFileRepositories(inputs: StackInputs, files: FileBackup): Repositories {
  const { manifest } = inputs;
  const { stack } = manifest;
  const list = repositoriesOf(manifest, "files");
  const folder = directory(`${configDirectoryOf(stack)}/backup`, {
    mode: "0700",
    after: [packagesId],
  });
  const secretFiles = [
    folder,
    ...list.flatMap((repository) => resolveAccess(inputs, repository, [idOf(folder)])),
  ];
  const described = list.map((repository) => describeRepository(repository, stack));
  const where = hashText(JSON.stringify(described));
  const script = file(
    backupPlaces(stack).script("files"),
    renderScript(inputs, files, described, where),
    { mode: "0755" },
  );
  const prepared = list.map((repository) =>
    prepareRepository(stack, repository, idOf(script), secretFiles.map(idOf)),
  );
  return {
    resources: [...secretFiles, script, ...prepared],
    repositories: prepared,
    markers: list.flatMap(markerOf),
    inputs: where,
  };
}

/** The repository's password and what its storage asks for. */
function resolveAccess(
  inputs: StackInputs,
  { name, passphrase, storage }: StoredRepository,
  after: readonly ResourceId[],
): Resource[] {
  const places = backupPlaces(inputs.manifest.stack);
  const add = (path: string, secret: string, former?: string): Resource =>
    file(path, { secret }, { mode: "0600", after, ...(former === undefined ? {} : { former }) });
  const password = places.passphrase(name, "files");
  return [
    passphrase === undefined
      ? backupPassphrase(password, { prefix: "", owner: "root", after })
      : add(password, `${secretOf(inputs, passphrase)}\n`, places.formerKey(name, "files")),
    ...storage.restic.access(inputs).map(({ path, secret }) => add(path, secret)),
  ];
}

function renderScript(
  { manifest, templates }: StackInputs,
  files: FileBackup,
  described: readonly ScriptRepository[],
  where: string,
): string {
  const appendOnly = repositoriesOf(manifest, "files").filter((one) => one.isAppendOnly);
  const { stack } = manifest;
  return renderTemplate(templates, "usr/local/lib/hostkit/backup-files.ejs", {
    stack: writtenShell(sh`${stack}`),
    inputs: writtenShell(sh`${where}`),
    lock: writtenShell(sh`${backupPlaces(stack).lock}`),
    repositories: described.map((one) => ({
      name: writtenShell(sh`${one.name}`),
      url: writtenShell(sh`${one.url}`),
      folder: one.folder === undefined ? undefined : writtenShell(sh`${one.folder}`),
      password: writtenShell(sh`${one.password}`),
      environment: one.environment === undefined ? undefined : writtenShell(sh`${one.environment}`),
      options: one.options.length === 0 ? undefined : writtenShell(sh`${one.options}`),
    })),
    appendOnly: appendOnly.map(({ name }) => writtenShell(sh`${name}`)),
    names: writtenShell(sh`${described.map((one) => one.name)}`),
    paths: writtenShell(sh`${pathsOf(manifest)}`),
    excludes: [
      ...files.exclude,
      // With a folder above it they would be backed up twice.
      ...(files.quiesce.length === 0 ? [] : [backupPlaces(stack).quiesced]),
    ].map((pattern) => writtenShell(sh`${pattern}`)),
    quiesced:
      files.quiesce.length === 0
        ? undefined
        : writtenShell(sh`${listQuiesceGroups(manifest).map(({ name }) => name)}`),
    covered: listCovers(manifest).map(({ volume, copy, path }) => ({
      volume: writtenShell(sh`${volume}`),
      ...{ copy: writtenShell(sh`${copy}`), path: writtenShell(sh`${path}`) },
    })),
    quiesceUnit: writtenShell(sh`${`${stack}-quiesce`}`),
    quiescePlace: writtenShell(sh`${backupPlaces(stack).quiesced}`),
    keep: writtenShell(sh`${keepWords(files)}`),
    report: writtenShell(
      rawScript(renderTemplate(templates, "usr/local/lib/hostkit/backup-report.ejs", {})),
    ),
  });
}

/** What restic's `forget` is told to keep. */
export function keepWords({ keep }: FileBackup): string[] {
  return Object.entries(keep).flatMap(([period, amount]) => [`--keep-${period}`, String(amount)]);
}

function prepareRepository(
  stack: string,
  repository: StoredRepository,
  script: ResourceId,
  watches: readonly ResourceId[],
): Resource {
  const { name, storage } = repository;
  const folder = hostFolderOf(storage, "files");
  return backupRepository(`files/${name}`, {
    stackDirectory: stackDirectoryOf(stack),
    markers: markerOf(repository),
    leaves: storage.leaves("files"),
    inputs: hashText(JSON.stringify([describeRepository(repository, stack), storage.pinned])),
    watches,
    prepare: joinScripts([
      ...storage.prepare("files"),
      tryNewKeys(
        stack,
        "files",
        [name],
        sh`${backupPlaces(stack).script("files")} prepare ${name}`,
      ),
    ]),
    after: [packagesId, script, ...(folder === undefined ? [] : [directoryId(folder)])],
  });
}

function markerOf({ storage }: StoredRepository): string[] {
  const folder = hostFolderOf(storage, "files");
  return folder === undefined ? [] : [`${folder}/config`];
}

function describeRepository({ name, storage }: StoredRepository, stack: string): ScriptRepository {
  const { url, environment, options } = storage.restic;
  return {
    name,
    password: backupPlaces(stack).passphrase(name, "files"),
    folder: hostFolderOf(storage, "files"),
    environment,
    options,
    url,
  };
}

/** All that is backed up of files and volumes, as it lies on the host. */
export function pathsOf({ stack, backups }: Pick<Manifest, "stack" | "backups">): string[] {
  const { paths = [], volumes = [] } = backups?.files ?? {};
  return [...paths, ...volumes.map((name) => volumePath(stack, name))];
}
