import { networkFacts } from "../../facts/containers/docker.ts";
import { need } from "../../facts/fact.ts";
import { sh } from "../../shell/script.ts";
import { claimAlone, idsOf, makeByScript, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/** A Docker bridge network. */
export interface NetworkResource extends Resource {
  readonly kind: "network";
  /** CIDR; absent = Docker picks a free one. */
  readonly subnet?: string;
}

/** Builds a network resource. */
export function network(
  name: string,
  options: { subnet?: string; after?: NetworkResource["after"] } = {},
): NetworkResource {
  return {
    kind: "network",
    name,
    ...(options.subnet === undefined ? {} : { subnet: options.subnet }),
    ...(options.after === undefined ? {} : { after: options.after }),
  };
}

/** The id of a resource of this kind by its name. */
export const networkId = idsOf("network");

export const networkKind: ResourceKind<NetworkResource> = {
  kind: "network",
  group: "containers",
  needs: (resource) => [need(networkFacts, resource.name)],

  diff(resource, facts): Change | undefined {
    const fact = facts.get(networkFacts, resource.name);
    const { name, subnet } = resource;
    const reasons: string[] = [];
    if (fact === undefined) reasons.push("does not exist");
    else {
      if (fact.driver !== "bridge") reasons.push(`driver is ${fact.driver}, should be bridge`);
      if (subnet !== undefined && fact.subnet !== subnet)
        reasons.push(`subnet is ${fact.subnet}, should be ${subnet}`);
    }
    if (reasons.length === 0) return undefined;
    const options = subnet === undefined ? [] : ["--subnet", subnet];
    return makeByScript(resource, fact !== undefined, reasons.join(", "), {
      title: `make network ${name}`,
      // Containers on a network that is replaced come back by their units.
      script: sh`if docker network inspect ${name} >/dev/null 2>&1; then
${fact === undefined ? sh`  exit 0` : emptyNetwork(name)}
fi
docker network create --driver bridge ${options} ${name} >/dev/null`,
    });
  },

  claims: (resource) => [claimAlone(resource)],
  own: (resource) => ({ kind: "network", name: resource.name }),
  removalNeeds: (owned) => [need(networkFacts, owned.name)],

  remove(owned, facts): Change | undefined {
    if (facts.get(networkFacts, owned.name) === undefined) return undefined;
    return removeByScript(
      owned,
      `remove network ${owned.name}`,
      sh`docker network inspect ${owned.name} >/dev/null 2>&1 || exit 0
${emptyNetwork(owned.name)}`,
    );
  },
};

function emptyNetwork(name: string): { text: string } {
  return sh`for c in $(docker network inspect --format ${"{{range .Containers}}{{.Name}} {{end}}"} ${name}); do
  docker network disconnect -f ${name} "$c" || true
done
docker network rm ${name} >/dev/null`;
}
