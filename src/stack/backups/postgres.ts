import { distributionOf } from "../../distributions.ts";
import type { PostgresBackup, Manifest } from "../../manifest/schema.ts";
import { backupPassphrase } from "../../resources/backups/passphrase.ts";
import { backupRepository } from "../../resources/backups/repository.ts";
import { directory, directoryId } from "../../resources/files/directory.ts";
import { file } from "../../resources/files/file.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { hashText } from "../../facts/files/hash.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { placeOfCluster, postgresMajorOf } from "../database/database-place.ts";
import { postgresRunningId } from "../database/database.ts";
import { packagesId } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { stackDirectoryOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import { pgbackrestName, pgbackrestPath, pgbackrestValue } from "../../writers/pgbackrest.ts";
import { backupPlaces } from "./jobs.ts";
import { tryNewKeys } from "./new-keys.ts";
import { secretOf } from "./storages/storage.ts";
import { hostFolderOf, repositoriesOf, type StoredRepository } from "./storages/storages.ts";

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

/** A repository as pgBackRest has it: by a number. */
export interface NumberedRepository extends StoredRepository {
  readonly number: number;
  /** `repo1` */
  readonly prefix: string;
}

function prepareAll(list: readonly NumberedRepository[], stack: string): Script {
  return joinScripts([
    ...list.flatMap(({ storage }) => storage.prepare("postgres")),
    tryNewKeys(
      stack,
      "postgres",
      list.map(({ name }) => name),
      prepareScript(stack),
    ),
  ]);
}

/** pgBackRest tells repositories apart by number. */
export function numberRepositories(manifest: Manifest): NumberedRepository[] {
  return repositoriesOf(manifest, "postgres").map((one, index) => ({
    ...one,
    number: index + 1,
    prefix: `repo${index + 1}`,
  }));
}

/** pgBackRest's configuration, passwords and repositories (its stanza is the stack's name). */
export function resolvePostgresRepositories(
  inputs: StackInputs,
  postgres: PostgresBackup,
): Repositories {
  const { manifest, system } = inputs;
  const { stack, database } = manifest;
  if (database === undefined) throw new TypeError("backups.postgres without a database section");
  const major = postgresMajorOf(database, system);
  const list = numberRepositories(manifest);
  const parent = directory("/etc/pgbackrest", { after: [packagesId] });
  const folders = [
    parent,
    directory("/etc/pgbackrest/conf.d", { after: [packagesId, idOf(parent)] }),
  ];
  const inFolder = [packagesId, ...folders.map(idOf)];
  for (const { storage } of list) storage.pgbackrest.check(system);
  const accessFiles = list.flatMap((repository) => resolveAccess(inputs, repository, inFolder));
  const config = resolveConfig(inputs, postgres, list, inFolder);
  const where = hashText(
    JSON.stringify(list.map(({ storage, prefix }) => storage.pgbackrest.options(prefix))),
  );
  const localFolders = list.flatMap(({ storage }) => hostFolderOf(storage, "postgres") ?? []);
  const markers = localFolders.map((folder) => `${folder}/backup/${stack}/backup.info`);
  const prepared = backupRepository("postgres", {
    stackDirectory: stackDirectoryOf(stack),
    markers,
    leaves: list.flatMap(({ storage }) => storage.leaves("postgres")),
    inputs: hashText(where + list.map(({ storage }) => storage.pinned).join("\n")),
    watches: accessFiles.map(idOf),
    waitSeconds: backupPatience,
    prepare: joinScripts([silenceOthers(list, stack), prepareAll(list, stack)]),
    ...(postgres.wal === "none" ? {} : { pointsOf: major }),
    after: [idOf(config), postgresRunningId(major), ...localFolders.map(directoryId)],
  });
  return {
    resources: [...folders, ...accessFiles, config, prepared],
    repositories: [prepared],
    markers,
    inputs: where,
  };
}

/**
 * Key files of repositories that PostgreSQL is not backed up to any more stay, since they open what is there; pgBackRest would read them too, under
 * a number that may be another repository's by now.
 */
function silenceOthers(list: readonly NumberedRepository[], stack: string): Script {
  const places = backupPlaces(stack);
  const own = list.flatMap(({ name }) => [
    places.passphrase(name, "postgres"),
    places.pgbackrestAccess(name),
  ]);
  return sh`umask 077
for f in /etc/pgbackrest/conf.d/hostkit-*.conf; do
  for own in ${places.pgbackrestConfig} ${own}; do [ "$f" != "$own" ] || continue 2; done
  grep -qsxF ${`[${stack}]`} "$f" && grep -q '^repo' "$f" || continue
  sed 's/^repo/#&/' "$f" >other && hk_rewrite other "$f"
  rm -f other
done`;
}

/** The repository's password and what its storage asks for. */
function resolveAccess(
  inputs: StackInputs,
  { name, passphrase, storage, prefix }: NumberedRepository,
  after: readonly ResourceId[],
): Resource[] {
  const { stack } = inputs.manifest;
  const places = backupPlaces(stack);
  const owned = { owner: "postgres", group: "postgres", mode: "0600", after };
  const add = (path: string, secret: string, former?: string): Resource =>
    file(path, { secret }, former === undefined ? owned : { ...owned, former });
  const path = places.passphrase(name, "postgres");
  const cipher = `[${pgbackrestName(stack).text}]\n${prefix}-cipher-pass=`;
  return [
    passphrase === undefined
      ? backupPassphrase(path, { prefix: cipher, owner: "postgres", after })
      : add(
          path,
          `${cipher}${pgbackrestValue(secretOf(inputs, passphrase)).text}\n`,
          places.formerKey(name, "postgres"),
        ),
    ...storage.pgbackrest.access(prefix, inputs).map((one) => add(one.path, one.secret)),
  ];
}

function resolveConfig(
  { manifest, system, templates }: StackInputs,
  postgres: PostgresBackup,
  list: readonly NumberedRepository[],
  after: readonly ResourceId[],
): Resource {
  const { stack, database } = manifest;
  if (database === undefined) throw new TypeError("backups.postgres without a database section");
  const place = placeOfCluster(postgresMajorOf(database, system), system);
  const options = list.flatMap(({ storage, prefix, isAppendOnly }) => [
    ...storage.pgbackrest.options(prefix),
    [`${prefix}-cipher-type`, "aes-256-cbc"],
    ...(distributionOf(system).pgbackrest.bundle ? [[`${prefix}-bundle`, "y"]] : []),
    // What is never to be removed by this host is not even said here.
    ...(isAppendOnly ? [] : retentionOptions(postgres, prefix)),
  ]);
  return file(
    backupPlaces(stack).pgbackrestConfig,
    renderTemplate(templates, "etc/pgbackrest/conf.d/hostkit.conf.ejs", {
      stack: pgbackrestName(stack),
      data: pgbackrestPath(place.data),
      port: place.port === 5432 ? undefined : pgbackrestValue(String(place.port)),
      options: options.map(([name = "", value = ""]) => ({
        name: pgbackrestName(name),
        value: name.endsWith("-path") ? pgbackrestPath(value) : pgbackrestValue(value),
      })),
    }),
    { mode: "0640", group: "postgres", after },
  );
}

/** What pgBackRest is told to keep, for its `expire`. */
export function retentionOptions({ keep, wal }: PostgresBackup, prefix: string): string[][] {
  return [
    [`${prefix}-retention-full-type`, "count"],
    [`${prefix}-retention-full`, String(keep.full)],
    ...(keep.differential === undefined
      ? []
      : [[`${prefix}-retention-diff`, String(keep.differential)]]),
    // Without continuous WAL only what the backups need to be whole is kept.
    ...(wal === "none"
      ? [
          [`${prefix}-retention-archive-type`, "incr"],
          [`${prefix}-retention-archive`, "1"],
        ]
      : []),
  ];
}

/** So many seconds are waited for a backup that is going on, as backups themselves do. */
const backupPatience = 21_600;

function prepareScript(stack: string) {
  const pgbackrest = sh`setpriv --reuid=postgres --regid=postgres --init-groups pgbackrest --stanza=${stack} --log-level-console=warn --log-level-file=off`;
  // Its own lock does not wait: a backup that is going on would make a provision fail. A backup knows one who waits so (quiesce-parts.ejs).
  const { lock } = backupPlaces(stack);
  return sh`if [ -e ${lock} ]; then
  exec 7<${lock}
  if ! flock -n 7; then
    echo "waits until the backup that is going on has ended"
    flock -w ${backupPatience} 7 || { echo "a backup has been running for six hours" >&2; exit 1; }
  fi
fi
try() {
  if ${pgbackrest} "$1" >said 2>&1; then return 0; fi
  tr -cd ${"\\n\\040-\\176"} <said >&2
  if grep -q 'do not match the database' said; then
    echo "the repository holds backups of another cluster: bring this stack back from it (hostkit provision --restore-from, on a bare host), or give it another path" >&2
  elif grep -qE ${"CryptoError|FormatError|cipher|decrypt"} said && ! grep -qi certificate said; then
    echo "the repository exists, but its password is another one" >&2
  fi
  exit 1
}
try stanza-create
try check`;
}
