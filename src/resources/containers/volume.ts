import { volumeFacts } from "../../facts/containers/docker.ts";
import { need } from "../../facts/fact.ts";
import { sh } from "../../shell/script.ts";
import { claimAlone, makeByScript, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/** A Docker volume whose folder belongs to one service's user. It holds data: removed only with `--delete-data`. */
export interface VolumeResource extends Resource {
  readonly kind: "volume";
  readonly owner: string;
  readonly group: string;
}

/** Builds a volume resource. */
export function volume(
  name: string,
  owner: string,
  after: VolumeResource["after"],
): VolumeResource {
  return {
    kind: "volume",
    name,
    owner,
    group: owner,
    ...(after === undefined ? {} : { after }),
  };
}

export const volumeKind: ResourceKind<VolumeResource> = {
  kind: "volume",
  group: "containers",
  needs: (resource) => [need(volumeFacts, resource.name)],

  diff(resource, facts, context): Change | undefined {
    const { name, owner, group } = resource;
    const fact = facts.get(volumeFacts, name);
    const reasons: string[] = [];
    if (fact === undefined) reasons.push("does not exist");
    else if (fact.owner !== owner || fact.group !== group)
      reasons.push(`belongs to ${fact.owner}:${fact.group}, should be ${owner}:${group}`);
    else if (context.isUnfinished) reasons.push("a run ended while it was made");
    if (reasons.length === 0) return undefined;
    return makeByScript(resource, fact !== undefined, reasons.join(", "), {
      title: `make volume ${name}`,
      script: sh`docker volume create ${name} >/dev/null
path=$(docker volume inspect --format ${"{{.Mountpoint}}"} ${name})
hk_folder "$path" 0700 ${owner} ${group} deep`,
    });
  },

  claims: (resource) => [claimAlone(resource)],
  own: (resource) => ({ kind: "volume", name: resource.name, holdsData: true }),
  removalNeeds: (owned) => [need(volumeFacts, owned.name)],

  remove(owned, facts, context): Change | undefined {
    if (!context.deleteData || facts.get(volumeFacts, owned.name) === undefined) return undefined;
    return removeByScript(
      owned,
      `remove volume ${owned.name}`,
      // Somebody's own container may have it; then it is theirs as much as ours.
      sh`users=$(docker ps -a --filter ${`volume=${owned.name}`} --format ${"{{.Names}}"} | tr ${"\\n"} " ")
if [ -n "$users" ]; then
  { grep -v '^{' state || true; } >state.new
  mv -f state.new state
  printf ${"volume %s\\tthe container %s has it\\n"} ${owned.name} "$users" >>"$HOSTKIT_STACK_DIRECTORY/kept"
  exit 0
fi
docker volume rm ${owned.name} >/dev/null`,
      "no longer in the manifest, and its data is to be deleted",
    );
  },
};
