import { HostkitError } from "../../errors.ts";
import { filledFacts } from "../../facts/backups/restored-from.ts";
import type { RestoreChoice } from "../../facts/backups/restored-from.ts";
import { need } from "../../facts/fact.ts";
import type { FactNeed, Facts } from "../../facts/fact.ts";
import { fileFacts } from "../../facts/files/file.ts";
import { clusterFacts, postgresFacts } from "../../facts/postgres/postgres.ts";
import type { ArchivedSegment, BackupSet } from "../../facts/postgres/restore.ts";
import type { Snapshot } from "../../facts/backups/snapshots.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { pathsOf } from "../../stack/backups/files.ts";
import { volumePath } from "../../stack/names.ts";
import { backupPlaces } from "../../stack/backups/jobs.ts";
import { isWrittenByHostkit } from "../../stack/backups/restore-from.ts";
import { repositoriesOf } from "../../stack/backups/storages/storages.ts";

/** A stack that is to be brought back on a host. */
export interface RestoreOnHost {
  readonly manifest: Manifest;
  readonly host: string;
  /** Of PostgreSQL; undefined where the manifest has no database. */
  readonly major: number | undefined;
  readonly repository: string;
}

/** What a repository has, as its tools say. */
export interface RepositoryContent {
  readonly postgres?:
    | { readonly sets: readonly BackupSet[]; readonly archived: readonly ArchivedSegment[] }
    | { readonly said: string };
  readonly files?: { readonly snapshots: readonly Snapshot[] } | { readonly said: string };
}

/** What would be brought back. */
export interface FoundRestore {
  readonly choice: RestoreChoice;
  readonly set?: BackupSet;
  /** Seconds since the epoch: when the newest WAL was archived. */
  readonly newestWal?: number;
  readonly snapshot?: Snapshot;
}

const tools = ["postgres", "files"] as const;

/**
 * A repository has to have all that the manifest backs up.
 * @throws HostkitError usage
 */
export function checkRestoreRepository({
  manifest,
  repository,
}: Pick<RestoreOnHost, "manifest" | "repository">): void {
  const made = tools.filter((tool) => manifest.backups?.[tool] !== undefined);
  const namesOf = (tool: (typeof tools)[number]): string[] =>
    repositoriesOf(manifest, tool).map(({ name }) => name);
  const all = [...new Set(made.flatMap(namesOf))];
  if (!all.includes(repository))
    throw new HostkitError("usage", {
      what: `the manifest has no repository ${JSON.stringify(repository)} with backups`,
      why: all.length === 0 ? "it makes no backups at all" : `it has: ${all.join(", ")}`,
    });
  const lacking = made.find((tool) => !namesOf(tool).includes(repository));
  if (lacking === undefined) return;
  throw new HostkitError("usage", {
    what: `the repository ${repository} has no backups of ${lacking === "postgres" ? "PostgreSQL" : "files"}`,
    why: `backups.${lacking} of the manifest go to: ${namesOf(lacking).join(", ")}; the stack would come up with a part of its data`,
    next: `hostkit provision --restore-from ${namesOf(lacking)[0] ?? "REPOSITORY"}`,
  });
}

/** What `refuseRestoreHere` and `chooseRestore` ask of the host, besides what every plan asks. */
export function restoreHereNeeds({
  manifest,
  major,
}: Pick<RestoreOnHost, "manifest" | "major">): FactNeed[] {
  return [
    ...(major === undefined
      ? []
      : [need(clusterFacts, String(major)), need(postgresFacts, String(major))]),
    ...pathsOf(manifest).map((path) => need(filledFacts, path)),
    ...keyPathsOf(manifest).map(({ path }) => need(fileFacts, path)),
  ];
}

/** Keys that no secret of the manifest is. */
function keyPathsOf(manifest: Manifest): { readonly repository: string; readonly path: string }[] {
  const places = backupPlaces(manifest.stack);
  return tools.flatMap((tool) =>
    repositoriesOf(manifest, tool)
      .filter(({ passphrase }) => passphrase === undefined)
      .map(({ name }) => ({ repository: name, path: places.passphrase(name, tool) })),
  );
}

/**
 * Nothing takes the place of data that is there, and a repository without its key need not be asked.
 * @throws HostkitError manifest_invalid
 */
export function refuseRestoreHere(restore: RestoreOnHost, facts: Facts): void {
  const { host, manifest, repository, major } = restore;
  const data = [
    ...(major === undefined ? [] : listDatabases(major, facts)),
    ...(manifest.backups?.files?.volumes ?? [])
      .filter((name) => facts.get(filledFacts, volumePath(manifest.stack, name)) === true)
      .map((name) => `the volume ${name}, with something in it`),
  ];
  if (data.length > 0)
    throw new HostkitError("manifest_invalid", {
      what: `there is data on this host already: ${data.join(", ")}`,
      where: host,
      why: "--restore-from is for a host that has none: nothing takes its place, and nothing was changed",
      next: "to go back to a backup here: hostkit restore postgres, hostkit restore volume NAME; to give up what is here: hostkit uninstall --delete-data, then the same command again",
    });
  const missing = keyPathsOf(manifest)
    .filter((key) => key.repository === repository)
    .filter(({ path }) => facts.get(fileFacts, path) === undefined)
    .map(({ path }) => path);
  if (missing.length === 0) return;
  throw new HostkitError("manifest_invalid", {
    what: `the key of the repository ${repository} is neither a secret of the manifest nor on this host`,
    where: `${host}, backups.repositories.${repository}`,
    why: "it was made on the host that is gone; without it no backup can be read, and nothing was changed",
    details: missing.map((path) => `missing: ${path}`),
    next: "take it from what `hostkit backup key export` wrote, as docs/recovery.md says (“The machine is gone”)",
  });
}

function listDatabases(major: number, facts: Facts): string[] {
  const cluster = facts.get(clusterFacts, String(major));
  if (cluster === undefined || cluster.state === "missing") return [];
  const name = `PostgreSQL's cluster ${major}/main`;
  if (cluster.state !== "running") return [`${name}, which does not answer`];
  const databases = Object.keys(facts.get(postgresFacts, String(major))?.databases ?? {}).filter(
    (one) => !["postgres", "template0", "template1"].includes(one),
  );
  if (databases.length > 0) return [`${name} with the databases ${databases.join(", ")}`];
  return cluster.isMade ? [] : [`${name}, which was here before hostkit`];
}

/**
 * The newest that there is of everything.
 * @throws HostkitError run_failed where the repository has none, does not answer or has another key; os_unsupported for another version
 */
export function chooseRestore(
  restore: RestoreOnHost,
  { postgres, files }: RepositoryContent,
  facts: Facts,
): FoundRestore {
  const { manifest, repository } = restore;
  for (const answer of [postgres, files])
    if (answer !== undefined && "said" in answer) throw explainAway(restore, answer.said);
  const found =
    postgres === undefined || "said" in postgres ? undefined : choosePostgres(restore, postgres);
  const snapshot = files === undefined || "said" in files ? undefined : files.snapshots[0];
  if (found === undefined && snapshot === undefined) throw explainNone(restore);
  const left = pathsOf(manifest).filter(
    (path) => isWrittenByHostkit(manifest.stack, path) || facts.get(filledFacts, path) === true,
  );
  return {
    choice: {
      repository,
      ...(found === undefined
        ? {}
        : { postgres: { set: found.set.label, timeline: found.timeline } }),
      ...(snapshot === undefined ? {} : { files: { snapshot: snapshot.id, left } }),
    },
    ...(found === undefined
      ? {}
      : {
          set: found.set,
          ...(found.newestWal === undefined ? {} : { newestWal: found.newestWal }),
        }),
    ...(snapshot === undefined ? {} : { snapshot }),
  };
}

function choosePostgres(
  restore: RestoreOnHost,
  {
    sets,
    archived,
  }: { readonly sets: readonly BackupSet[]; readonly archived: readonly ArchivedSegment[] },
): { readonly set: BackupSet; readonly timeline: number; readonly newestWal?: number } {
  if (sets.length === 0) throw explainNone(restore);
  const newest = (list: readonly BackupSet[]): BackupSet | undefined =>
    list.reduce<BackupSet | undefined>(
      (best, one) => (best === undefined || one.stop > best.stop ? one : best),
      undefined,
    );
  const own = sets.filter(({ archive }) => archive.startsWith(`${restore.major}-`));
  const set = newest(own.filter(({ hasErrors }) => !hasErrors)) ?? newest(own);
  if (set === undefined) throw explainMajor(restore, sets);
  // A restore that was undone leaves a timeline that nothing follows: where something was archived last is where the data was.
  const last = archived
    .filter(({ archive }) => archive === set.archive)
    .reduce<ArchivedSegment | undefined>(
      (best, one) => (best === undefined || one.time >= best.time ? one : best),
      undefined,
    );
  return {
    set,
    timeline: Number.parseInt((last?.name ?? set.lastWal).slice(0, 8), 16),
    ...(last === undefined ? {} : { newestWal: last.time }),
  };
}

function explainNone({ host, repository, manifest }: RestoreOnHost): HostkitError {
  return new HostkitError("run_failed", {
    what: `the repository ${repository} has no backup of the stack ${manifest.stack}`,
    where: `${host}, backups.repositories.${repository}`,
    why: "there is nothing to bring back, and nothing was changed",
    next: "see whether its place in the manifest is the one that the old host wrote to; a new stack begins with a plain hostkit provision",
  });
}

function explainMajor(
  { host, repository, major }: RestoreOnHost,
  sets: readonly BackupSet[],
): HostkitError {
  const majors = [...new Set(sets.map(({ archive }) => archive.replace(/-.*/, "")))];
  return new HostkitError("os_unsupported", {
    what: `the repository ${repository} has backups of PostgreSQL ${majors.join(", ")}, and this host's is ${major}`,
    where: host,
    why: "the files of one major version cannot be read by another; nothing was changed",
    next: `take a host whose distribution has PostgreSQL ${majors.at(-1)}, or write database: { version: ${majors.at(-1)} } and add a source that has it (https://wiki.postgresql.org/wiki/Apt)`,
  });
}

function explainAway({ host, repository }: RestoreOnHost, said: string): HostkitError {
  const isKey =
    !/certificate/i.test(said) &&
    /crypto|cipher|decrypt|wrong password|no key found|FormatError/i.test(said);
  return new HostkitError("run_failed", {
    what: isKey
      ? `the repository ${repository} exists, but its password is another one`
      : `the repository ${repository} cannot be read from this host`,
    where: `${host}, backups.repositories.${repository}`,
    why: "nothing was changed",
    details: said.split("; ").slice(0, 6),
    next: isKey
      ? "take the passphrase that the old host had"
      : "see whether the host reaches it, and whether its keys in the manifest are right",
  });
}
