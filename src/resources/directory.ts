import { need } from "../facts/fact.ts";
import { fileFacts } from "../facts/file.ts";
import { sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import { idOf } from "./resource.ts";
import type { Change, Resource, ResourceKind } from "./resource.ts";

export interface DirectoryResource extends Resource {
  readonly kind: "directory";
  readonly path: string;
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
  /** Its content is data: removed only with `--delete-data`. Otherwise it is removed when empty. */
  readonly holdsData?: boolean;
  /** A wrong owner is put right for all that is inside too: a service that comes back may have another uid. */
  readonly deep?: boolean;
}

/** Builds a directory resource: root:root 0755 unless told otherwise. */
export function directory(
  path: string,
  options: {
    mode?: string;
    owner?: string;
    group?: string;
    holdsData?: boolean;
    deep?: boolean;
    after?: DirectoryResource["after"];
  } = {},
): DirectoryResource {
  return {
    kind: "directory",
    name: path,
    path,
    mode: options.mode ?? "0755",
    owner: options.owner ?? "root",
    group: options.group ?? "root",
    ...(options.holdsData === undefined ? {} : { holdsData: options.holdsData }),
    ...(options.deep === undefined ? {} : { deep: options.deep }),
    ...(options.after === undefined ? {} : { after: options.after }),
  };
}

/** Makes a folder; missing ones on the way are 0755 and remembered, so that uninstall can take them away when empty. */
export function makeFolderScript(path: string): Script {
  return sh`(umask 022; d=${path}
while [ ! -d "$d" ]; do echo "$d" >>"$HOSTKIT_STACK_DIRECTORY/directories"; d=$(dirname "$d"); done
mkdir -p ${path})`;
}

export const directoryKind: ResourceKind<DirectoryResource> = {
  kind: "directory",
  needs: (resource) => [need(fileFacts, resource.path)],

  diff(resource, facts): Change | undefined {
    const { path, mode, owner, group } = resource;
    const fact = facts.get(fileFacts, path);
    const reasons: string[] = [];
    if (fact === undefined) reasons.push("does not exist");
    else if (fact.type !== "directory") reasons.push(`is a ${fact.type}, should be a directory`);
    else {
      if (fact.mode !== mode) reasons.push(`mode is ${fact.mode}, should be ${mode}`);
      if (fact.owner !== owner) reasons.push(`owner is ${fact.owner}, should be ${owner}`);
      if (fact.group !== group) reasons.push(`group is ${fact.group}, should be ${group}`);
    }
    if (reasons.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: fact === undefined ? "create" : "update",
      because: reasons.join(", "),
      steps: [
        {
          type: "script",
          title: `make ${path}`,
          script: sh`${makeFolderScript(path)}
chown ${resource.deep === true ? ["-R"] : []} ${`${owner}:${group}`} ${path} && chmod ${mode} ${path}`,
        },
      ],
    };
  },

  own: (resource) => ({
    kind: "directory",
    name: resource.path,
    path: resource.path,
    holdsData: resource.holdsData === true,
  }),
  removalNeeds: (owned) => [need(fileFacts, String(owned["path"]))],

  remove(owned, facts, context): Change | undefined {
    const path = String(owned["path"]);
    if (facts.get(fileFacts, path) === undefined) return undefined;
    if (owned["holdsData"] === true && !context.deleteData) return undefined;
    const script =
      owned["holdsData"] === true
        ? sh`rm -rf -- ${path}`
        : sh`rmdir -- ${path} 2>/dev/null || true`;
    return {
      id: idOf(owned),
      action: "delete",
      because: "no longer in the manifest",
      steps: [{ type: "script", title: `remove ${path}`, script }],
    };
  },
};
