import { HostkitError } from "../errors.ts";
import { readArchivedSegment, readBackupSets, segmentLines } from "../facts/postgres/restore.ts";
import type { ArchivedSegment } from "../facts/postgres/restore.ts";
import { readSnapshotList } from "../facts/backups/snapshots.ts";
import type { RepositoryContent } from "../plan/restore/new-host.ts";
import { joinScripts, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import type { Connection } from "../ssh/connection.ts";

/** A repository as a machine sees it on which nothing is installed yet. */
export interface RepositoryToLookInto {
  readonly stack: string;
  /** Folder that all below lies in: `/run/hostkit-look-…`. */
  readonly scratch: string;
  /** What opens it. Paths are the scratch folder's. */
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly prepare: readonly Script[];
  readonly postgres?: {
    /** pgBackRest's number of it, and its whole configuration; more of it, with the key, lies in files of the host. */
    readonly number: number;
    readonly config: string;
    readonly more: readonly string[];
  };
  readonly restic?: {
    readonly url: string;
    readonly password: string;
    readonly environment: string | undefined;
    readonly options: readonly string[];
  };
}

/**
 * Asks pgBackRest and restic on the host what a repository has. Where they are not installed they are fetched into a folder that goes
 * again, so that nothing of the host changes before somebody has agreed to a plan.
 * @throws HostkitError run_failed where they cannot be had
 */
export async function lookIntoRepository(
  connection: Connection,
  repository: RepositoryToLookInto,
): Promise<RepositoryContent> {
  const stdin = repository.files
    .map(({ path, content }) => `${path} ${Buffer.from(content).toString("base64")}\n`)
    .join("");
  const { code, stdout, stderr } = await connection.exec(lookScript(repository).text, {
    stdin,
    timeoutMs: 10 * 60_000,
    maxBytes: 64 * 1024 * 1024,
  });
  if (code !== 0)
    throw new HostkitError("run_failed", {
      what: "pgBackRest and restic could not be asked what the repository has",
      where: connection.description,
      why: "nothing was changed",
      details: stderr.trim().split("\n").slice(-8),
      next: "see whether apt works on the host: apt-get update",
    });
  return readAnswer(repository, stdout);
}

/** restic, where nobody has made a repository yet. */
const noRepository =
  /repository does not exist|config file: .*(?:no such file|not exist|NoSuchKey)/i;

function readAnswer({ postgres, restic }: RepositoryToLookInto, stdout: string): RepositoryContent {
  const lines = stdout.split("\n");
  const all = (key: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1)] : []));
  const said = (key: string): string => all(key).join("; ");
  const snapshots = readSnapshotList(all("snapshots")[0] ?? "");
  return {
    ...(postgres === undefined
      ? {}
      : {
          postgres: readPostgres(
            said("postgres-said"),
            all("info")[0] ?? "",
            all("wal").flatMap(readArchivedSegment),
          ),
        }),
    ...(restic === undefined
      ? {}
      : {
          files:
            snapshots === undefined && !noRepository.test(said("files-said"))
              ? { said: said("files-said") }
              : { snapshots: snapshots ?? [] },
        }),
  };
}

/** Of a repository that it cannot read pgBackRest says so in the midst of its answer: "other", 99. */
function readPostgres(
  said: string,
  info: string,
  archived: readonly ArchivedSegment[],
): NonNullable<RepositoryContent["postgres"]> {
  const trouble = /"status":\{"code":99,"message":"(\[(?:[^"\\]|\\.)*)"/.exec(info)?.[1];
  if (trouble !== undefined)
    return { said: trouble.replaceAll(/[^ -~]/g, "").replaceAll(/\\n\s*/g, "; ") };
  return said === "" ? { sets: readBackupSets(info), archived } : { said };
}

function lookScript(repository: RepositoryToLookInto): Script {
  const { scratch, prepare, postgres, restic } = repository;
  const names = [
    ...(postgres === undefined ? [] : ["pgbackrest"]),
    ...(restic === undefined ? [] : ["restic"]),
    ...(prepare.length === 0 ? [] : ["openssh-client"]),
  ];
  return joinScripts([
    sh`set -eu
umask 077
t=${scratch}
p=/var/tmp/\${t##*/}
mkdir "$t" "$p"
trap 'cd /; rm -rf "$t" "$p"' EXIT
trap 'exit 143' TERM INT HUP
while read -r path content; do
  mkdir -p "\${path%/*}"
  printf %s "$content" | base64 -d >"$path"
done
cd "$t"`,
    fetchPrograms(names),
    ...prepare,
    ...(postgres === undefined ? [] : [askPgbackrest(repository.stack, postgres)]),
    ...(restic === undefined ? [] : [askRestic(repository.stack, restic)]),
    sh`exit 0`,
  ]);
}

/** apt's own lists where they have what is needed, else new ones beside them. */
function fetchPrograms(names: readonly string[]): Script {
  return sh`missing=
for name in ${names}; do
  program=$name
  [ "$name" != openssh-client ] || program=ssh
  command -v "$program" >/dev/null || missing="$missing $name"
done
if [ -n "$missing" ]; then
  exec 5>&1 >&2
  export DEBIAN_FRONTEND=noninteractive
  lists=
  mkdir -p "$p/lists/partial" "$p/root"
  wanted() { apt-get -qq $lists -s -o APT::Install-Recommends=0 -o Debug::NoLocking=1 install $missing; }
  if ! wanted >"$p/wanted" 2>"$p/said"; then
    lists="-o Dir::State::Lists=$p/lists -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
    # A source that is away, and that nothing of this needs, is no matter.
    apt-get -qq $lists update || :
    wanted >"$p/wanted"
  fi
  # Libraries, and the programs: what else they ask for is of no use for a look.
  found=$(sed -n 's/^Inst \\([^ ]*\\) .*/\\1/p' "$p/wanted" | grep -E '^(pgbackrest|restic|openssh-client|lib[a-z0-9.+-]*[0-9][a-z0-9.+-]*)$' | grep -v perl)
  cd "$p"
  apt-get -qq $lists -o Debug::NoLocking=1 download $found
  for file in *.deb; do dpkg-deb -x "$file" root; done
  cd "$t"
  export PATH="$p/root/usr/bin:$PATH" LD_LIBRARY_PATH
  LD_LIBRARY_PATH=$(echo "$p"/root/usr/lib/*-linux-* "$p"/root/lib/*-linux-* | tr ${" "} :)
  exec >&5
fi`;
}

function askPgbackrest(
  stack: string,
  { number, config, more }: NonNullable<RepositoryToLookInto["postgres"]>,
): Script {
  return sh`{ printf %s ${config}; for file in ${more}; do cat "$file"; echo; done; } >pgbackrest.conf
ask() { timeout -k 5 170 pgbackrest --config="$t/pgbackrest.conf" --stanza=${stack} --repo=${number} --log-level-file=off --log-level-console=off --log-level-stderr=error --log-timestamp=n --output=json "$@"; }
if ask info >info 2>said; then
  echo "info $(tr -d ${"\\n"} <info)"
  ask --recurse repo-ls ${`archive/${stack}`} 2>said >segments || cat segments >>said
  sed ${"s/},/}\\n/g"} segments | sed -n ${segmentLines} | sed ${`s/^/wal ${number} /`}
else
  [ -s said ] || echo "no answer within 170 s" >said
fi
if [ -s said ]; then tr -cd ${"\\n\\040-\\176"} <said | sed -n ${"s/^/postgres-said /;1,4p"}; fi`;
}

function askRestic(
  stack: string,
  { url, password, environment, options }: NonNullable<RepositoryToLookInto["restic"]>,
): Script {
  const variables = environment === undefined ? sh`` : sh`set -a; . ${environment}; set +a`;
  return sh`export RESTIC_REPOSITORY=${url} RESTIC_PASSWORD_FILE=${password}
${variables}
if timeout -k 5 170 restic snapshots --no-lock --no-cache --json --tag ${stack} ${options} >snapshots 2>said; then
  echo "snapshots $(grep -m 1 -E ${"^(\\[|null)"} snapshots)"
else
  [ -s said ] || echo "no answer within 170 s" >said
  tr -cd ${"\\n\\040-\\176"} <said | sed 's/^{"message_type":"exit_error".*"message":"\\(.*\\)"}$/\\1/' | sed -n ${"s/^/files-said /;1,4p"}
fi`;
}
