import { distributionOf, nameDistributions, nameRelease } from "../../../distributions.ts";
import { HostkitError } from "../../../errors.ts";
import type { System } from "../../../facts/system/system.ts";
import type { Repository } from "../../../manifest/schema.ts";
import { sh } from "../../../shell/script.ts";
import type { Script } from "../../../shell/script.ts";
import { backupPlaces } from "../jobs.ts";
import type { BackupJob } from "../jobs.ts";
import { type StorageDriver, toolFolder } from "./storage.ts";

type SftpRepository = Extract<Repository, { readonly kind: "sftp" }>;

/** A folder on a server that is reached by SFTP, with a key of its own and a pinned host key. */
export const sftpStorage: StorageDriver<"sftp"> = (repository, stack) => {
  const { name, host, port, user, path, identity, hostKey } = repository;
  const places = backupPlaces(stack);
  const shown = host.includes(":") ? `[${host}]` : host;
  const options = (tool: BackupJob["tool"]): string[] => [
    ...["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", places.identity(name, tool)],
    ...["-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null"],
    ...["-o", `UserKnownHostsFile=${places.knownHosts(name, tool)}`],
  ];
  const ssh = `ssh ${options("files").join(" ")} -p ${port} ${user}@${host} -s sftp`;
  return {
    base: path,
    hostFolder: undefined,
    packages: ["openssh-client"],
    pinned: hostKey,
    leaves: (tool) => [places.knownHosts(name, tool)],
    prepare: (tool, owner = tool === "postgres" ? "postgres" : "root") => [
      learnHostKeys(repository, stack, tool, owner),
    ],
    attempt: (tool) =>
      tryToChange(`${toolFolder(path, tool)}/tried-by-hostkit`, [
        "-q",
        "-b",
        "-",
        ...options(tool),
        "-P",
        String(port),
        `${user}@${shown}`,
      ]),
    pgbackrest: {
      check: (system) => refuseOld(name, system),
      options: (at) => [
        [`${at}-type`, "sftp"],
        [`${at}-path`, toolFolder(path, "postgres")],
        [`${at}-sftp-host`, host],
        [`${at}-sftp-host-port`, String(port)],
        [`${at}-sftp-host-user`, user],
        [`${at}-sftp-private-key-file`, places.identity(name, "postgres")],
        [`${at}-sftp-host-key-hash-type`, "sha256"],
        [`${at}-sftp-host-key-check-type`, "strict"],
        [`${at}-sftp-known-host`, places.knownHosts(name, "postgres")],
      ],
      access: (_, { texts }) => [
        { path: places.identity(name, "postgres"), secret: texts.get(identity) ?? "" },
      ],
    },
    restic: {
      url: `sftp:${user}@${shown}:${toolFolder(path, "files")}`,
      environment: undefined,
      options: ["-o", `sftp.command=${ssh}`],
      access: ({ texts }) => [
        { path: places.identity(name, "files"), secret: texts.get(identity) ?? "" },
      ],
    },
  };
};

function refuseOld(repository: string, system: System): void {
  if (distributionOf(system).pgbackrest.sftp) return;
  throw new HostkitError("os_unsupported", {
    what: `the pgBackRest of ${nameRelease(system)} cannot write to an SFTP server`,
    where: `backups.repositories.${repository}`,
    why: `it came with pgBackRest 2.46; ${nameDistributions((one) => one.pgbackrest.sftp)} have it`,
    next: "send postgres to a local or S3 repository (backups.postgres.repositories); files may stay on SFTP",
  });
}

/**
 * Writes known_hosts with every key of the server. pgBackRest's libssh2 asks for whichever kind of key it likes best,
 * which need not be the pinned one: so OpenSSH, which checks the pinned one, learns the others from the server that has
 * proved to own it (ssh_config(5) UpdateHostKeys).
 */
function learnHostKeys(
  repository: SftpRepository,
  stack: string,
  tool: BackupJob["tool"],
  owner: string,
): Script {
  const { name, host, port, user, hostKey } = repository;
  const places = backupPlaces(stack);
  const known = port === 22 ? host : `[${host}]:${port}`;
  const pinned = hostKey.startsWith("SHA256:")
    ? sh`ssh-keyscan -p ${port} ${host} 2>/dev/null | while IFS= read -r line; do
  case "$(printf '%s\\n' "$line" | ssh-keygen -lf - 2>/dev/null)" in *${` ${hostKey.replace(/=$/, "")} `}*) printf '%s\\n' "$line" ;; esac
done >learned
[ -s learned ] || { echo ${`${host} does not answer with the host key ${hostKey}`} >&2; exit 1; }`
    : sh`printf '%s %s\\n' ${known} ${hostKey.split(" ").slice(0, 2).join(" ")} >learned`;
  return sh`${pinned}
ssh -o BatchMode=yes -o IdentitiesOnly=yes -i ${places.identity(name, tool)} -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile="$PWD/learned" -o HashKnownHosts=no -o UpdateHostKeys=yes -p ${port} ${`${user}@${host}`} -s sftp </dev/null >/dev/null 2>said || {
  cat said >&2
  echo ${`cannot log in to ${user}@${host}: see whether its host key is the pinned one and whether it knows the key ${repository.identity}`} >&2
  exit 1
}
install -m 0600 ${owner === "self" ? [] : ["-o", owner, "-g", owner]} learned ${places.knownHosts(name, tool)}`;
}

/**
 * Overwrites, renames and removes a file that is old enough to be kept by the server (docs/backups.md has it keep what is ten minutes old). That it
 * is still the same afterwards is what says that all of it was refused.
 * @param file on the server, for nothing else
 * @param words of OpenSSH's sftp
 */
function tryToChange(file: string, words: readonly string[]): Script {
  const on = (verb: string, ...paths: string[]): string =>
    [verb, ...paths.map((path) => `"${path.replaceAll(/["\\]/g, String.raw`\$&`)}"`)].join(" ");
  const away = `${file}.away`;
  return sh`on_server() { printf '%s\n' "$1" | sftp ${words} >/dev/null 2>said; }
try() {
  code=0
  on_server "$2" || code=$?
  # 1: the server said no; 255: it was not reached.
  case $code in 0) could="\${could:+$could, }$1" ;; 1) ;; *) cat said >&2; exit 1 ;; esac
}
plant() {
  echo "hostkit tries every now and then to change this file, and hopes that it cannot." >planted
  on_server ${on("put", "planted", file)} || on_server ${on("get", file, "planted")} || { cat said >&2; exit 1; }
  cp planted "$planted"
  echo early
}
if [ ! -e "$planted" ]; then plant; exit 0; fi
if [ -n "$(find "$planted" -mmin -60)" ]; then echo early; exit 0; fi
# Gone meanwhile: by whom is not known.
if ! on_server ${on("get", file, "before")} || ! cmp -s before "$planted"; then plant; exit 0; fi
could=
echo "changed by hostkit" >changed
try overwrite ${on("put", "changed", file)}
try rename ${on("rename", file, away)}
try remove ${on("rm", file)}
if [ -z "$could" ] && on_server ${on("get", file, "after")} && cmp -s before after; then echo refused; exit 0; fi
rm -f "$planted"
on_server ${on("rm", away)} || :
echo "\${could:-change} what is there"`;
}
