import { need } from "../../facts/fact.ts";
import { contentFacts, fileFacts } from "../../facts/files/file.ts";
import { sh } from "../../shell/script.ts";
import { idsOf, makeByScript, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

export interface DirectoryResource extends Resource {
  readonly kind: "directory";
  readonly path: string;
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
  /** "data": its content is removed only with `--delete-data`; "cache": with it. Otherwise it is removed when empty. */
  readonly holds?: "data" | "cache";
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
    holds?: "data" | "cache";
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
    ...(options.holds === undefined ? {} : { holds: options.holds }),
    ...(options.deep === undefined ? {} : { deep: options.deep }),
    ...(options.after === undefined ? {} : { after: options.after }),
  };
}

/** The id of a resource of this kind by its name. */
export const directoryId = idsOf("directory");

export const directoryKind: ResourceKind<DirectoryResource> = {
  kind: "directory",
  group: "files",
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
    return makeByScript(resource, fact !== undefined, reasons.join(", "), {
      title: `make ${path}`,
      script: sh`hk_folder ${path} ${mode} ${owner} ${group} ${resource.deep === true ? ["deep"] : []}`,
    });
  },

  own: (resource) => ({
    kind: "directory",
    name: resource.path,
    ...(resource.holds === undefined ? {} : { holds: resource.holds }),
  }),
  removalNeeds: ({ name }) => [need(fileFacts, name), need(contentFacts, name)],

  remove(owned, facts, context): Change | undefined {
    const path = owned.name;
    const { holds } = owned;
    if (facts.get(fileFacts, path) === undefined) return undefined;
    const isKept = holds === "data" && !context.deleteData;
    if (isKept && facts.get(contentFacts, path) === true) return undefined;
    const script =
      isKept || holds === undefined
        ? sh`hk_remove_folder ${path} || true`
        : sh`hk_remove_tree ${path}`;
    return removeByScript(owned, `remove ${path}`, script);
  },
};
