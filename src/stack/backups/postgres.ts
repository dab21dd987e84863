import { distributionOf, nameDistributions, nameRelease } from "../../distributions.ts";
import { HostkitError } from "../../errors.ts";
import type { Backups, PostgresBackup, Repository } from "../../manifest/schema.ts";
import { backupPassphrase } from "../../resources/backups/passphrase.ts";
import { backupRepository } from "../../resources/backups/repository.ts";
import { directory, directoryId } from "../../resources/files/directory.ts";
import { file } from "../../resources/files/file.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { hashText } from "../../facts/files/hash.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import { placeOfCluster, postgresMajorOf } from "../database/database-place.ts";
import { postgresRunningId } from "../database/database.ts";
import { packagesId } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { stackDirectoryOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import { pgbackrestName, pgbackrestPath, pgbackrestValue } from "../../writers/pgbackrest.ts";
import { learnHostKeys } from "./sftp.ts";
import { backupPlaces, repositoriesOf, repositoryPath } from "./jobs.ts";

/** What the repositories of a tool are and the resources that make them. */
export interface Repositories {
  readonly resources: readonly Resource[];
  /** The repository resources among them. */
  readonly repositories: readonly Resource[];
  /** Files that are there as soon as the local repositories are. */
  readonly markers: readonly string[];
  /** Hash over where the backups go. */
  readonly inputs: string;
}

/** pgBackRest's configuration, passwords and repositories (its stanza is the stack's name). */
export function resolvePostgresRepositories(
  inputs: StackInputs,
  backups: Backups,
  postgres: PostgresBackup,
): Repositories {
  const { manifest, system, templates, secrets, texts } = inputs;
  const { stack, database } = manifest;
  if (database === undefined) throw new TypeError("backups.postgres without a database section");
  const major = postgresMajorOf(database, system);
  const places = backupPlaces(stack);
  const list = repositoriesOf(backups, "postgres");
  const folders = ["/etc/pgbackrest", "/etc/pgbackrest/conf.d"].map((path) =>
    directory(path, { after: [packagesId] }),
  );
  const inFolder = [packagesId, ...folders.map(idOf)];
  const configFiles: Resource[] = [];
  const options = list.flatMap((repository, index) => {
    const prefix = `repo${index + 1}`;
    refuseOld(repository, inputs);
    const access = { owner: "postgres", group: "postgres", mode: "0600", after: inFolder };
    const path = places.passphrase(repository.name, "postgres");
    const section = `[${pgbackrestName(stack).text}]\n`;
    const cipher = `${section}${prefix}-cipher-pass=`;
    const secret = (name: string) => pgbackrestValue(secretOf(secrets, name)).text;
    configFiles.push(
      repository.passphrase === undefined
        ? backupPassphrase(path, { prefix: cipher, owner: "postgres", after: inFolder })
        : file(path, { secret: `${cipher}${secret(repository.passphrase)}\n` }, access),
    );
    if (repository.kind === "s3")
      configFiles.push(
        file(
          `${path.slice(0, -".conf".length)}-access.conf`,
          {
            secret: `${section}${prefix}-s3-key=${secret(repository.accessKey)}\n${prefix}-s3-key-secret=${secret(repository.secretKey)}\n`,
          },
          access,
        ),
      );
    if (repository.kind === "sftp")
      configFiles.push(
        file(
          places.identity(repository.name, "postgres"),
          { secret: texts.get(repository.identity) ?? "" },
          access,
        ),
      );
    return [
      ...storageOptions(repository, prefix, stack),
      [`${prefix}-cipher-type`, "aes-256-cbc"],
      ...(distributionOf(system).pgbackrest.bundle ? [[`${prefix}-bundle`, "y"]] : []),
      [`${prefix}-retention-full-type`, "count"],
      [`${prefix}-retention-full`, String(postgres.keep.full)],
      ...(postgres.keep.differential === undefined
        ? []
        : [[`${prefix}-retention-diff`, String(postgres.keep.differential)]]),
      // Without continuous WAL only what the backups need to be whole is kept.
      ...(postgres.wal === "none"
        ? [
            [`${prefix}-retention-archive-type`, "incr"],
            [`${prefix}-retention-archive`, "1"],
          ]
        : []),
    ];
  });
  const place = placeOfCluster(major, system);
  const config = file(
    places.pgbackrestConfig,
    renderTemplate(templates, "etc/pgbackrest/conf.d/hostkit.conf.ejs", {
      stack: pgbackrestName(stack),
      data: pgbackrestPath(place.data),
      port: place.port === 5432 ? undefined : pgbackrestValue(String(place.port)),
      options: options.map(([name = "", value = ""]) => ({
        name: pgbackrestName(name),
        value: name.endsWith("-path") ? pgbackrestPath(value) : pgbackrestValue(value),
      })),
    }),
    { mode: "0640", group: "postgres", after: inFolder },
  );
  const where = hashText(
    JSON.stringify(
      list.map((repository, index) => storageOptions(repository, `repo${index + 1}`, stack)),
    ),
  );
  const markers = list.flatMap((one) =>
    one.kind === "local" ? [`${repositoryPath(one, "postgres")}/backup/${stack}/backup.info`] : [],
  );
  const prepared = backupRepository("postgres", {
    stackDirectory: stackDirectoryOf(stack),
    markers,
    leaves: list.flatMap((one) =>
      one.kind === "sftp" ? [places.knownHosts(one.name, "postgres")] : [],
    ),
    inputs: hashText(
      where + list.map((one) => (one.kind === "sftp" ? one.hostKey : "")).join("\n"),
    ),
    watches: configFiles.map(idOf),
    prepare: joinScripts([
      ...list.flatMap((one) =>
        one.kind === "sftp" ? [learnHostKeys(one, stack, "postgres")] : [],
      ),
      prepareScript(stack),
    ]),
    after: [
      idOf(config),
      postgresRunningId(major),
      ...list.flatMap((one) => (one.kind === "local" ? [directoryIdOf(one)] : [])),
    ],
  });
  return {
    resources: [...folders, ...configFiles, config, prepared],
    repositories: [prepared],
    markers,
    inputs: where,
  };
}

/** The directory resource of a local repository's PostgreSQL part. */
export function directoryIdOf(repository: Repository & { readonly path: string }): ResourceId {
  return directoryId(repositoryPath(repository, "postgres"));
}

/** stanza-create does nothing where the stanza is; check proves that WAL arrives in every repository. */
function prepareScript(stack: string) {
  const pgbackrest = sh`setpriv --reuid=postgres --regid=postgres --init-groups pgbackrest --stanza=${stack} --log-level-console=warn --log-level-file=off`;
  return sh`try() {
  if ${pgbackrest} "$1" >said 2>&1; then return 0; fi
  tr -cd ${"\\n\\040-\\176"} <said >&2
  if grep -q 'do not match the database' said; then
    echo "the repository holds backups of another cluster: restore from it, or give this stack another path" >&2
  elif grep -qE ${"CryptoError|FormatError|cipher|decrypt"} said; then
    echo "the repository exists, but its password is another one" >&2
  fi
  exit 1
}
try stanza-create
try check`;
}

function storageOptions(repository: Repository, prefix: string, stack: string): string[][] {
  const common = [[`${prefix}-path`, repositoryPath(repository, "postgres")]];
  switch (repository.kind) {
    case "local":
      return [[`${prefix}-type`, "posix"], ...common];
    case "sftp":
      return [
        [`${prefix}-type`, "sftp"],
        ...common,
        [`${prefix}-sftp-host`, repository.host],
        [`${prefix}-sftp-host-port`, String(repository.port)],
        [`${prefix}-sftp-host-user`, repository.user],
        [
          `${prefix}-sftp-private-key-file`,
          backupPlaces(stack).identity(repository.name, "postgres"),
        ],
        [`${prefix}-sftp-host-key-hash-type`, "sha256"],
        [`${prefix}-sftp-host-key-check-type`, "strict"],
        [`${prefix}-sftp-known-host`, backupPlaces(stack).knownHosts(repository.name, "postgres")],
      ];
    case "s3": {
      const { hostname, port } = new URL(repository.endpoint);
      return [
        [`${prefix}-type`, "s3"],
        ...common,
        [`${prefix}-s3-bucket`, repository.bucket],
        [`${prefix}-s3-endpoint`, hostname],
        [`${prefix}-s3-region`, repository.region],
        [`${prefix}-s3-uri-style`, hostname.endsWith(".amazonaws.com") ? "host" : "path"],
        ...(port === "" ? [] : [[`${prefix}-storage-port`, port]]),
      ];
    }
  }
}

/** A secret's value, which is a line of text. @throws TypeError where nobody read it so */
export function secretOf(secrets: ReadonlyMap<string, string | Uint8Array>, name: string): string {
  const value = secrets.get(name);
  if (typeof value !== "string") throw new TypeError(`the secret ${name} was not read`);
  return value.trim();
}

function refuseOld(repository: Repository, { system }: StackInputs): void {
  if (repository.kind !== "sftp" || distributionOf(system).pgbackrest.sftp) return;
  throw new HostkitError("os_unsupported", {
    what: `the pgBackRest of ${nameRelease(system)} cannot write to an SFTP server`,
    where: `backups.repositories.${repository.name}`,
    why: `it came with pgBackRest 2.46; ${nameDistributions((one) => one.pgbackrest.sftp)} have it`,
    next: "send postgres to a local or S3 repository (backups.postgres.repositories); files may stay on SFTP",
  });
}
