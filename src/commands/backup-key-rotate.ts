import { HostkitError } from "../errors.ts";
import { assertRunOk } from "../host/outcome.ts";
import { readSecrets } from "../local/secrets/read-secrets.ts";
import { planKeyRotation } from "../plan/backup-key.ts";
import type { RotatedKey } from "../plan/backup-key.ts";
import { makeOperation } from "../plan/operation.ts";
import type { Context } from "../session/context.ts";
import { onEachHost, openProject } from "../session/project.ts";
import type { Project } from "../session/project.ts";
import { confirmOrRefuse, executeRun, showRuns } from "../session/watch-run.ts";
import { backupPlaces } from "../stack/backups/jobs.ts";
import { repositoriesOf } from "../stack/backups/storages/storages.ts";
import { requireBackups } from "./backup.ts";
import type { Verb } from "./line/verb.ts";

/** Gives a repository of files another password; old backups open with it. */
export const runKeyRotate: Verb<{ readonly yes?: boolean }> = async (
  context,
  options,
  [repository = ""],
) => {
  const project = await openProject(context);
  requireBackups(project.manifest);
  const { stack } = project.manifest;
  const key = await chooseKey(context, project, repository);
  const isShared = isPostgres(project, repository);
  await confirmOrRefuse(
    context,
    `Give ${repository} another key for the backups of files${isShared ? " (PostgreSQL's in it keep theirs)" : ""}?`,
    options.yes === true,
  );
  await showRuns(context, project, (show) =>
    onEachHost(project.hosts, async (connection, host) => {
      const plan = makeOperation({
        ...{ verb: `backup key rotate ${repository}`, host: host.name, stack },
        ...{ stackDirectory: project.stackDirectory, steps: planKeyRotation(key) },
      });
      assertRunOk(await executeRun(context, project, host, connection, plan, show), host.name);
    }),
  );
  if (context.options.json === true) {
    context.print(JSON.stringify({ done: true, stack, repository, tool: "files" }));
    return;
  }
  const { colors } = context;
  context.print(
    `${colors.green("✓")} ${repository} has a new key for the backups of files: old ones open with it, the old key opens nothing there any more`,
  );
  if (key.password === undefined)
    context.print("  nobody else has it yet: hostkit backup key export");
  if (isShared)
    context.print(`  PostgreSQL's backups in ${repository} keep their key: ${postgresWay}`);
};

/** pgBackRest gives no repository another password. */
const postgresWay = "docs/backups.md, “Another key”";

function isPostgres({ manifest }: Project, repository: string): boolean {
  return repositoriesOf(manifest, "postgres").some(({ name }) => name === repository);
}

/** @throws HostkitError usage where there is no such key, or none that can be changed; manifest_invalid where its secret is not there */
async function chooseKey(
  context: Context,
  project: Project,
  repository: string,
): Promise<RotatedKey> {
  const { manifest, loaded } = project;
  const list = repositoriesOf(manifest, "files");
  const found = list.find(({ name }) => name === repository);
  const places = backupPlaces(manifest.stack);
  if (found === undefined && isPostgres(project, repository))
    throw new HostkitError("usage", {
      what: `${repository} holds backups of PostgreSQL, and pgBackRest cannot give a repository another key`,
      why: "what is encrypted with it would have to be written anew",
      next: `begin a new repository beside it: ${postgresWay}`,
    });
  if (found === undefined)
    throw new HostkitError("usage", {
      what: `no backups of files go to ${JSON.stringify(repository)}`,
      why: `those of files go to: ${list.map(({ name }) => name).join(", ") || "nowhere"}`,
      next: "hostkit backup key rotate REPOSITORY",
    });
  if (found.isAppendOnly)
    throw new HostkitError("usage", {
      what: `${repository} is append-only: its host could add a key, and not take the old one away`,
      why: "the old key would go on opening it",
      next: "from this machine, with what may remove there: docs/backups.md, “Append-only”, “Another key”",
    });
  const base = {
    ...{ repository, path: places.passphrase(repository, "files") },
    ...{ program: places.script("files"), lock: places.lock },
  };
  if (found.passphrase === undefined) return base;
  if (isPostgres(project, repository))
    throw new HostkitError("usage", {
      what: `the passphrase of ${repository} opens PostgreSQL's backups too, and pgBackRest cannot give a repository another key`,
      next: `give PostgreSQL a repository of its own first: ${postgresWay}`,
    });
  const { secrets } = await readSecrets(loaded, manifest, context.terminal.environment);
  const password = secrets.get(found.passphrase);
  if (typeof password !== "string")
    throw new HostkitError("usage", {
      what: `the secret ${found.passphrase} has no value here`,
      next: "docs/manifest/secrets.md says how it is given",
    });
  context.redactor.add(password.trim());
  return { ...base, password: password.trim() };
}
