import { hashText } from "../../facts/files/hash.ts";
import type { Backups, FileBackup, Repository } from "../../manifest/schema.ts";
import { backupPassphrase } from "../../resources/backups/passphrase.ts";
import { backupRepository } from "../../resources/backups/repository.ts";
import { directory, directoryId } from "../../resources/files/directory.ts";
import { file } from "../../resources/files/file.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource } from "../../resources/resource.ts";
import { quoteWord } from "../../shell/quote.ts";
import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import { writtenShell } from "../../writers/written.ts";
import { volumeNameOf } from "../services/container.ts";
import { configDirectoryOf, stackDirectoryOf } from "../names.ts";
import { packagesId } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { renderTemplate } from "../render-template.ts";
import { backupPlaces, repositoriesOf, repositoryPath } from "./jobs.ts";
import { learnHostKeys } from "./sftp.ts";
import { secretOf } from "./postgres.ts";
import type { Repositories } from "./postgres.ts";

/** What the host's script has to know of one restic repository. */
interface ScriptRepository {
  readonly name: string;
  readonly url: string;
  /** Of a local one. */
  readonly folder: string | undefined;
  readonly password: string;
  readonly environment: string | undefined;
  /** Further words of every call. */
  readonly options: readonly string[];
}

/** restic's script, passwords and repositories. */
export function resolveFileRepositories(
  inputs: StackInputs,
  backups: Backups,
  files: FileBackup,
): Repositories {
  const { manifest, secrets, texts, templates } = inputs;
  const { stack } = manifest;
  const places = backupPlaces(stack);
  const list = repositoriesOf(backups, "files");
  const secretFiles: Resource[] = [
    directory(`${configDirectoryOf(stack)}/backup`, { mode: "0700", after: [packagesId] }),
  ];
  const after = [idOf(secretFiles[0] as Resource)];
  const add = (path: string, content: string): void =>
    void secretFiles.push(file(path, { secret: content }, { mode: "0600", after }));
  for (const repository of list) {
    const { name } = repository;
    const password = places.passphrase(name, "files");
    if (repository.passphrase === undefined)
      secretFiles.push(backupPassphrase(password, { prefix: "", owner: "root", after }));
    else add(password, `${secretOf(secrets, repository.passphrase)}\n`);
    if (repository.kind === "s3")
      add(
        places.environment(name),
        `AWS_ACCESS_KEY_ID=${quoteWord(secretOf(secrets, repository.accessKey))}\nAWS_SECRET_ACCESS_KEY=${quoteWord(secretOf(secrets, repository.secretKey))}\nAWS_DEFAULT_REGION=${quoteWord(repository.region)}\n`,
      );
    if (repository.kind === "sftp")
      add(places.identity(name, "files"), texts.get(repository.identity) ?? "");
  }
  const described = list.map((repository) => describeRepository(repository, stack));
  const where = hashText(JSON.stringify(described));
  const script = file(
    places.script("files"),
    renderTemplate(templates, "usr/local/lib/hostkit/backup-files.ejs", {
      stack: writtenShell(sh`${stack}`),
      inputs: writtenShell(sh`${where}`),
      lock: writtenShell(sh`${places.lock}`),
      repositories: described.map((one) => ({
        name: writtenShell(sh`${one.name}`),
        url: writtenShell(sh`${one.url}`),
        folder: one.folder === undefined ? undefined : writtenShell(sh`${one.folder}`),
        password: writtenShell(sh`${one.password}`),
        environment:
          one.environment === undefined ? undefined : writtenShell(sh`${one.environment}`),
        options: one.options.length === 0 ? undefined : writtenShell(sh`${one.options}`),
      })),
      names: writtenShell(sh`${described.map((one) => one.name)}`),
      paths: writtenShell(
        sh`${[...files.paths, ...files.volumes.map((name) => volumePath(stack, name))]}`,
      ),
      excludes: files.exclude.map((pattern) => writtenShell(sh`${pattern}`)),
      keep: writtenShell(
        sh`${Object.entries(files.keep).flatMap(([period, amount]) => [`--keep-${period}`, String(amount)])}`,
      ),
      report: writtenShell(
        rawScript(renderTemplate(templates, "usr/local/lib/hostkit/backup-report.ejs", {})),
      ),
    }),
    { mode: "0755" },
  );
  const prepared = list.map((repository) =>
    backupRepository(`files/${repository.name}`, {
      stackDirectory: stackDirectoryOf(stack),
      markers: markerOf(repository),
      leaves: repository.kind === "sftp" ? [places.knownHosts(repository.name, "files")] : [],
      inputs: hashText(
        JSON.stringify([
          describeRepository(repository, stack),
          repository.kind === "sftp" ? repository.hostKey : "",
        ]),
      ),
      watches: secretFiles.map(idOf),
      prepare: joinScripts([
        repository.kind === "sftp" ? learnHostKeys(repository, stack, "files") : sh``,
        sh`${places.script("files")} prepare ${repository.name}`,
      ]),
      after: [
        packagesId,
        idOf(script),
        ...(repository.kind === "local" ? [directoryId(repositoryPath(repository, "files"))] : []),
      ],
    }),
  );
  return {
    resources: [...secretFiles, script, ...prepared],
    repositories: prepared,
    markers: list.flatMap(markerOf),
    inputs: where,
  };
}

function markerOf(repository: Repository): string[] {
  return repository.kind === "local" ? [`${repositoryPath(repository, "files")}/config`] : [];
}

function describeRepository(repository: Repository, stack: string): ScriptRepository {
  const places = backupPlaces(stack);
  const path = repositoryPath(repository, "files");
  const common = {
    name: repository.name,
    password: places.passphrase(repository.name, "files"),
    folder: undefined,
    environment: undefined,
    options: [],
  };
  switch (repository.kind) {
    case "local":
      return { ...common, url: path, folder: path };
    case "s3":
      return {
        ...common,
        url: `s3:${repository.endpoint.replace(/\/+$/, "")}/${repository.bucket}${path}`,
        environment: places.environment(repository.name),
      };
    case "sftp": {
      const ssh = [
        `ssh -o BatchMode=yes -o IdentitiesOnly=yes -i ${places.identity(repository.name, "files")}`,
        `-o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile=${places.knownHosts(repository.name, "files")}`,
        `-p ${repository.port} ${repository.user}@${repository.host} -s sftp`,
      ].join(" ");
      const host = repository.host.includes(":") ? `[${repository.host}]` : repository.host;
      return {
        ...common,
        url: `sftp:${repository.user}@${host}:${path}`,
        options: ["-o", `sftp.command=${ssh}`],
      };
    }
  }
}

/** Where Docker keeps a volume's files. */
function volumePath(stack: string, name: string): string {
  return `/var/lib/docker/volumes/${volumeNameOf(stack, name)}/_data`;
}
