import { keyPrefixFacts } from "../../facts/backups/key-prefix.ts";
import { need } from "../../facts/fact.ts";
import { fileFacts } from "../../facts/files/file.ts";
import type { Script } from "../../shell/script.ts";
import { sh } from "../../shell/script.ts";
import { makeByScript, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceId, ResourceKind } from "../resource.ts";

/** The password of a backup repository, made on the host: the controller never sees it. Without it no backup can be read. */
export interface BackupPassphraseResource extends Resource {
  readonly kind: "backup-passphrase";
  /** Also the name. */
  readonly path: string;
  /** What stands before the password in the file; it ends the file with a newline. */
  readonly prefix: string;
  readonly owner: string;
}

/** Builds a passphrase resource. */
export function backupPassphrase(
  path: string,
  options: { prefix: string; owner: string; after: readonly ResourceId[] },
): BackupPassphraseResource {
  return { kind: "backup-passphrase", name: path, path, ...options };
}

/** The password stays, what stands before it is written anew. */
function renumber(path: string, prefix: string): Script {
  return sh`else
  { printf %s ${prefix}; tail -n 1 ${path} | sed ${"s/^[^=]*=//"}; } >"$new"
  put_new
`;
}

export const backupPassphraseKind: ResourceKind<BackupPassphraseResource> = {
  kind: "backup-passphrase",
  group: "backups",
  needs: ({ path, prefix }) => [
    need(fileFacts, path),
    ...(prefix === "" ? [] : [need(keyPrefixFacts, path)]),
  ],

  diff(resource, facts): Change | undefined {
    const { path, owner, prefix } = resource;
    const fact = facts.get(fileFacts, path);
    const reasons: string[] = [];
    if (fact === undefined) reasons.push("does not exist");
    else {
      if (fact.mode !== "0600") reasons.push(`mode is ${fact.mode}, should be 0600`);
      const found = prefix === "" ? "" : (facts.get(keyPrefixFacts, path) ?? prefix);
      if (found !== prefix) reasons.push("its repository has another number now");
      if (fact.owner !== owner) reasons.push(`owner is ${fact.owner}, should be ${owner}`);
    }
    if (reasons.length === 0) return undefined;
    return makeByScript(resource, fact !== undefined, reasons.join(", "), {
      title: `make the password ${path}`,
      script: sh`umask 077
new=${`${path}.hostkit-new`}
put_new() { sync "$new"; mv -f "$new" ${path}; }
if [ ! -s ${path} ]; then
  { printf %s ${prefix}; head -c 32 /dev/urandom | od -An -tx1 | tr -d ${" \\n"}; echo; } >"$new"
  put_new
${prefix === "" ? sh`` : renumber(path, prefix)}fi
chown ${`${owner}:${owner}`} ${path}
chmod 0600 ${path}`,
    });
  },

  own: (resource) => ({
    kind: "backup-passphrase",
    name: resource.path,
    path: resource.path,
    holdsData: true,
  }),
  removalNeeds: (owned) => [need(fileFacts, owned.name)],

  /** It goes when the backups go, not before. */
  remove(owned, facts, context): Change | undefined {
    if (!context.deleteData || facts.get(fileFacts, owned.name) === undefined) return undefined;
    return removeByScript(
      owned,
      `remove ${owned.name}`,
      sh`rm -f ${owned.name}`,
      "its repository is to be deleted",
    );
  },
};
