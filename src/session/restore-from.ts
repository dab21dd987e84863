import { HostkitError } from "../errors.ts";
import { readRestoreRecord, restoredFromPath } from "../facts/backups/restored-from.ts";
import type { RestoreChoice, RestoreRecord } from "../facts/backups/restored-from.ts";
import { textFacts } from "../facts/files/file.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { gatherFacts } from "../host/gather.ts";
import type { Inspection } from "../host/inspect.ts";
import { lookIntoRepository } from "../host/look-into-repository.ts";
import type { RepositoryToLookInto } from "../host/look-into-repository.ts";
import {
  checkRestoreRepository,
  chooseRestore,
  refuseRestoreHere,
  restoreHereNeeds,
} from "../plan/restore/new-host.ts";
import type { FoundRestore, RestoreOnHost } from "../plan/restore/new-host.ts";
import { describeRestoreFrom } from "../report/new-host.ts";
import type { FileResource } from "../resources/files/file.ts";
import type { Connection } from "../ssh/connection.ts";
import { backupPlaces } from "../stack/backups/jobs.ts";
import { numberRepositories } from "../stack/backups/postgres.ts";
import { repositoriesOf } from "../stack/backups/storages/storages.ts";
import { postgresMajorOf } from "../stack/database/database-place.ts";
import { pgbackrestName, pgbackrestValue } from "../writers/pgbackrest.ts";
import { chooseOneHost } from "./one-host.ts";
import { newMarker } from "./project.ts";
import type { Project } from "./project.ts";

/**
 * What `--restore-from` asks for must be possible at all.
 * @throws HostkitError usage
 */
export function checkRestoreFrom(
  project: Project,
  repository: string,
  only: readonly string[] | undefined,
): void {
  if (only !== undefined)
    throw new HostkitError("usage", {
      what: "--restore-from and --only exclude each other",
      why: "a stack comes back as a whole",
    });
  chooseOneHost(project, `hostkit provision --restore-from ${repository}`);
  checkRestoreRepository({ manifest: project.manifest, repository });
}

/** A look at a host, for a plan that may bring its stack back. */
interface RestoringInspection {
  readonly inspection: Inspection;
  /** What to say of what the plan brings back; nothing where it does not, or goes on with what was begun. */
  readonly about: readonly string[];
}

/**
 * Looks at a host; where a repository is named and nothing of it was brought back yet, looks into that, and once more at the host.
 * @param look with what is to be brought back
 * @throws HostkitError where there is data, or nothing to bring back
 */
export async function lookForRestore(
  project: Project,
  connection: Connection | Promise<Connection>,
  repository: string | undefined,
  look: (restoreFrom?: RestoreChoice) => Promise<Inspection>,
): Promise<RestoringInspection> {
  const inspection = await look();
  if (repository === undefined) return { inspection, about: [] };
  const restore = await findRestore(project, await connection, inspection, repository);
  if (restore === undefined) return { inspection, about: [] };
  const { backups, database } = project.manifest;
  return {
    inspection: await look(restore.choice),
    about: describeRestoreFrom(
      restore,
      inspection.facts.get(systemFacts, systemSubject)?.time ?? 0,
      {
        postgres: database !== undefined,
        files: backups?.files !== undefined,
      },
    ),
  };
}

/**
 * What is to be brought back onto a host that was looked at. undefined: that was begun, or done, before; the plan goes on with it by itself.
 * @throws HostkitError where there is data, or nothing to bring back
 */
async function findRestore(
  { manifest, stackDirectory }: Project,
  connection: Connection,
  { facts, system, plan, resources }: Inspection,
  repository: string,
): Promise<FoundRestore | undefined> {
  const record = readRestoreRecord(facts.get(textFacts, restoredFromPath(stackDirectory)));
  if (record !== undefined) {
    refuseOtherRepository(record, repository, plan.host);
    return undefined;
  }
  const { database } = manifest;
  const restore: RestoreOnHost = {
    ...{ manifest, repository, host: plan.host },
    major: database === undefined ? undefined : postgresMajorOf(database, system),
  };
  const here = await gatherFacts(connection, restoreHereNeeds(restore), newMarker());
  refuseRestoreHere(restore, here);
  const seen = await lookIntoRepository(connection, describe(manifest, repository, resources));
  return chooseRestore(restore, seen, here);
}

function refuseOtherRepository(record: RestoreRecord, repository: string, host: string): void {
  if (record.repository === repository) return;
  const isDone = record.isDone.postgres && record.isDone.files;
  throw new HostkitError("usage", {
    what: `this stack ${isDone ? "was" : "is being"} brought back from ${record.repository}, not from ${repository}`,
    where: host,
    why: "nothing was changed",
    next: isDone
      ? "hostkit restore postgres --from, hostkit restore files --from"
      : "to go on with that: hostkit provision; to begin anew: hostkit uninstall --delete-data, then the same command again",
  });
}

/** The repository with all that opens it, in a folder of its own. */
function describe(
  manifest: Project["manifest"],
  name: string,
  resources: Inspection["resources"],
): RepositoryToLookInto {
  const { stack } = manifest;
  const places = backupPlaces(stack);
  const scratch = `/run/hostkit-look-${newMarker()}`;
  const postgres = numberRepositories(manifest).find((one) => one.name === name);
  const restic = repositoriesOf(manifest, "files").find((one) => one.name === name);
  const keys = (["postgres", "files"] as const).flatMap((tool) => [
    places.passphrase(name, tool),
    places.identity(name, tool),
    places.knownHosts(name, tool),
  ]);
  const paths = [...keys, places.pgbackrestAccess(name), places.environment(name)];
  const moved = (text: string): string =>
    paths.reduce((all, path) => all.replaceAll(path, scratch + path), text);
  const files = resources
    .filter((one): one is FileResource => one.kind === "file" && paths.includes(one.name))
    .flatMap(({ path, content }) =>
      "secret" in content
        ? [{ path: scratch + path, content: moved(Buffer.from(content.secret).toString()) }]
        : [],
    );
  // A key that was made on a host, or put there, is no resource with a content.
  const at = (path: string): string =>
    files.some((one) => one.path === scratch + path) ? scratch + path : path;
  const storage = (postgres ?? restic)?.storage;
  return {
    ...{ stack, scratch, files },
    prepare: (["postgres", "files"] as const)
      .filter((tool) => (tool === "postgres" ? postgres : restic) !== undefined)
      .flatMap((tool) => storage?.prepare(tool, "root") ?? [])
      .map(({ text }) => ({ text: moved(text) })),
    ...(postgres === undefined
      ? {}
      : {
          postgres: {
            number: postgres.number,
            config: moved(
              [
                `[${pgbackrestName(stack).text}]`,
                ...postgres.storage.pgbackrest
                  .options(postgres.prefix)
                  .map(([key, value]) => `${key}=${pgbackrestValue(value).text}`),
                `${postgres.prefix}-cipher-type=aes-256-cbc`,
                "",
              ].join("\n"),
            ),
            more: [
              at(places.passphrase(name, "postgres")),
              ...files
                .map((one) => one.path)
                .filter((path) => path === scratch + places.pgbackrestAccess(name)),
            ],
          },
        }),
    ...(restic === undefined
      ? {}
      : {
          restic: {
            url: restic.storage.restic.url,
            password: at(places.passphrase(name, "files")),
            environment: moved(restic.storage.restic.environment ?? "") || undefined,
            options: restic.storage.restic.options.map(moved),
          },
        }),
  };
}
