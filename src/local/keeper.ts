import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { nameDistributions } from "../distributions.ts";
import { HostkitError } from "../errors.ts";
import {
  readExpiredSets,
  readForgotten,
  readLyingSets,
  readStoredSets,
  readStoredSnapshots,
} from "../facts/backups/expiry.ts";
import type { ExpiryLook } from "../plan/expiry.ts";
import type { KeptRepository } from "../stack/backups/keeper.ts";

type Environment = Readonly<Record<string, string | undefined>>;

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** pgBackRest and restic on this machine, opened for one repository. */
export interface Keeper {
  readonly repository: string;
  /** What is there, and what would go by `keep`. @throws HostkitError local_command_failed */
  look(): Promise<ExpiryLook[]>;
  /** Removes what a look found; all of it was shown before. @throws HostkitError local_command_failed */
  remove(look: ExpiryLook): Promise<void>;
}

/**
 * The programs that it takes, as they are called and as apt calls them.
 * @throws HostkitError local_command_failed where one is missing or too old
 */
export async function requireKeeperPrograms(
  environment: Environment,
  kept: {
    readonly postgres: boolean;
    readonly files: boolean;
    readonly sftp: boolean;
    readonly postgresBySftp: boolean;
  },
): Promise<void> {
  const wanted = [
    ...(kept.postgres ? [["pgbackrest", "pgbackrest", "version"]] : []),
    ...(kept.files ? [["restic", "restic", "version"]] : []),
    ...(kept.sftp ? [["ssh", "openssh-client", "-V"]] : []),
  ];
  const answers = await Promise.all(
    wanted.map(async ([program = "", name = "", word = ""]) => ({
      ...{ program, name },
      said: await execa(program, [word], { reject: false, env: environment }),
    })),
  );
  const missing = answers.filter(({ said }) => said.failed);
  if (missing.length > 0)
    throw new HostkitError("local_command_failed", {
      what: `${missing.map(({ program }) => program).join(" and ")} cannot be called on this machine`,
      why: "old backups are removed from here, with the programs that made them",
      next: `apt install ${missing.map(({ name }) => name).join(" ")}`,
    });
  const version = answers.find(({ program }) => program === "pgbackrest")?.said.stdout ?? "";
  const [, major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (kept.postgresBySftp && major * 1000 + minor < 2046)
    throw new HostkitError("local_command_failed", {
      what: `the ${version.trim()} of this machine cannot reach an SFTP server`,
      why: `that came with pgBackRest 2.46; ${nameDistributions((one) => one.pgbackrest.sftp)} have it`,
      next: "call it on such a machine, with the manifest and the operator's key",
    });
}

/**
 * Opens a repository in a folder that nobody else can read and that goes again in the end.
 * @param describe what the tools are told, for a folder
 * @throws HostkitError local_command_failed
 */
export async function withKeeper<T>(
  environment: Environment,
  stack: string,
  describe: (folder: string) => KeptRepository,
  work: (keeper: Keeper) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), "hostkit-keeper-"));
  try {
    const kept = describe(folder);
    await Promise.all([mkdir(path.join(folder, "lock")), mkdir(path.join(folder, "cache"))]);
    for (const { path: file, secret } of kept.files)
      await writeFile(file, secret, { mode: 0o600, flag: "wx" });
    if (kept.postgres !== undefined)
      await writeFile(path.join(folder, "pgbackrest.conf"), kept.postgres.config, { mode: 0o600 });
    const call = caller(environment, folder);
    for (const script of kept.prepare)
      requireOk(kept.repository, "it cannot be reached", await call("sh", ["-euc", script.text]));
    return await work(makeKeeper(stack, kept, folder, call));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Call = (program: string, words: readonly string[], more?: Environment) => Promise<Said>;

/** Nothing of the caller's settings for these programs reaches them. */
function caller(environment: Environment, folder: string): Call {
  const plain = Object.fromEntries(
    Object.entries(environment).filter(
      ([name]) => !/^(?:RESTIC|AWS|PGBACKREST|PG)[_A-Z]/.test(name),
    ),
  );
  return async (program, words, more = {}) => {
    const result = await execa(program, words, {
      ...{ cwd: folder, reject: false, stdin: "ignore", extendEnv: false },
      env: { ...plain, ...more },
      maxBuffer: 64 * 1024 * 1024,
    });
    return { code: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
  };
}

function requireOk(repository: string, what: string, said: Said): string {
  if (said.code === 0) return said.stdout;
  const details = `${said.stderr}\n${said.stdout}`
    .split("\n")
    .map((line) => line.replaceAll(/[^ -~]/g, ""))
    .filter((line) => line.trim() !== "");
  throw new HostkitError("local_command_failed", {
    what: `${repository}: ${what}`,
    where: "this machine",
    details: details.slice(0, 8),
    next: "mend what it says, then the same command again: it looks anew, and shows what is left to remove",
  });
}

function makeKeeper(stack: string, kept: KeptRepository, folder: string, call: Call): Keeper {
  const { repository, postgres, restic } = kept;
  const sets = pgbackrestOf(stack, repository, folder, call);
  const snapshots =
    restic === undefined ? undefined : resticOf(stack, repository, restic, folder, call);
  return {
    repository,
    async look() {
      const looks = [
        ...(postgres === undefined ? [] : [await sets.look()]),
        ...(snapshots === undefined ? [] : [await snapshots.look()]),
      ];
      return looks;
    },
    async remove(look) {
      await (look.tool === "postgres" ? sets.remove() : snapshots?.remove(look));
    },
  };
}

function pgbackrestOf(stack: string, repository: string, folder: string, call: Call) {
  const config = `--config=${folder}/pgbackrest.conf`;
  const ask = async (what: string, ...words: string[]): Promise<string> =>
    requireOk(
      repository,
      what,
      await call("pgbackrest", [config, `--stanza=${stack}`, "--log-timestamp=n", ...words]),
    );
  return {
    async look(): Promise<ExpiryLook> {
      const what = "pgBackRest cannot look into it";
      const backups = readStoredSets(await ask(what, "--output=json", "info"));
      if (typeof backups === "string")
        throw new HostkitError("local_command_failed", {
          what: `${repository}: ${what}`,
          why: backups,
        });
      const lying = readLyingSets(await ask(what, "--output=json", "repo-ls", `backup/${stack}`));
      const unlisted = lying.filter((label) => !backups.some((one) => one.label === label));
      const said =
        backups.length === 0
          ? ""
          : await ask(what, "--log-level-console=info", "--dry-run", "expire");
      const goes = readExpiredSets(said).filter((label) => !unlisted.includes(label));
      return { ...{ repository, tool: "postgres", backups, unlisted }, goes };
    },
    async remove(): Promise<void> {
      await ask("pgBackRest could not remove the old backups", "expire");
    },
  };
}

function resticOf(
  stack: string,
  repository: string,
  { url, password, environment, options, keep }: NonNullable<KeptRepository["restic"]>,
  folder: string,
  call: Call,
) {
  // Its variables are a file of shell, so that no value is an argument.
  const script = `${environment === undefined ? "" : 'set -a; . "$0"; set +a; '}exec restic "$@"`;
  const ask = async (what: string, ...words: string[]): Promise<string> =>
    requireOk(
      repository,
      what,
      await call("sh", ["-c", script, environment ?? "sh", ...words, ...options], {
        ...{
          RESTIC_REPOSITORY: url,
          RESTIC_PASSWORD_FILE: password,
          RESTIC_CACHE_DIR: `${folder}/cache`,
        },
      }),
    );
  const list = async () => {
    const what = "restic cannot look into it";
    const said = await ask(what, "snapshots", "--no-lock", "--json", "--tag", stack);
    const found = readStoredSnapshots(said);
    if (found !== undefined) return found;
    throw new HostkitError("local_command_failed", { what: `${repository}: ${what}` });
  };
  const forgotten = async (...words: string[]): Promise<string[]> => {
    const what = "restic cannot say what would go";
    const said = await ask(what, "forget", "--dry-run", "--no-lock", "--json", ...words);
    const goes = readForgotten(said);
    if (goes !== undefined) return goes;
    throw new HostkitError("local_command_failed", { what: `${repository}: ${what}` });
  };
  return {
    async look(): Promise<ExpiryLook> {
      const backups = await list();
      const tags = ["--group-by", "tags"];
      // As on the host: those that somebody asked for are counted apart.
      const goes = [
        ...(await forgotten("--tag", `${stack},by-hand`, ...tags, "--keep-last", "20")),
        ...(await forgotten("--tag", stack, ...tags, "--keep-tag", "by-hand", ...keep)),
      ];
      return { ...{ repository, tool: "files", backups, unlisted: [] }, goes: [...new Set(goes)] };
    },
    async remove({ goes }: ExpiryLook): Promise<void> {
      const what = "restic could not remove the old backups";
      // Locks of those that ended without a word, half an hour ago or more.
      await ask(what, "unlock");
      const ids = (await list()).filter(({ label }) => goes.includes(label)).map(({ id }) => id);
      if (ids.length > 0) await ask(what, "forget", "--quiet", "--prune", ...ids);
    },
  };
}
