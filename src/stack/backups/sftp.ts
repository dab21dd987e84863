import type { Repository } from "../../manifest/schema.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { backupPlaces } from "./jobs.ts";
import type { BackupJob } from "./jobs.ts";

/**
 * Writes known_hosts with every key of the server. pgBackRest's libssh2 asks for whichever kind of key it likes best,
 * which need not be the pinned one: so OpenSSH, which checks the pinned one, learns the others from the server that has
 * proved to own it (ssh_config(5) UpdateHostKeys).
 */
export function learnHostKeys(
  repository: Extract<Repository, { kind: "sftp" }>,
  stack: string,
  tool: BackupJob["tool"],
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
  const owner = tool === "postgres" ? "postgres" : "root";
  return sh`${pinned}
ssh -o BatchMode=yes -o IdentitiesOnly=yes -i ${places.identity(name, tool)} -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile="$PWD/learned" -o HashKnownHosts=no -o UpdateHostKeys=yes -p ${port} ${`${user}@${host}`} -s sftp </dev/null >/dev/null 2>said || {
  cat said >&2
  echo ${`cannot log in to ${user}@${host}: see whether its host key is the pinned one and whether it knows the key ${repository.identity}`} >&2
  exit 1
}
install -m 0600 -o ${owner} -g ${owner} learned ${places.knownHosts(name, tool)}`;
}
