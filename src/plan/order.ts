import { idOf } from "../resources/resource.ts";
import type { Resource, ResourceId } from "../resources/resource.ts";

/**
 * Puts resources in an order in which each stands behind all of its `after`; ties keep the given order.
 * @throws TypeError for two resources of one id, an `after` that names none, or a cycle: mistakes of stack/, not of users
 */
export function orderResources<R extends Resource>(resources: readonly R[]): R[] {
  const byId = new Map<ResourceId, R>();
  for (const resource of resources) {
    const id = idOf(resource);
    if (byId.has(id)) throw new TypeError(`two resources are named ${id}`);
    byId.set(id, resource);
  }
  const ordered: R[] = [];
  const state = new Map<ResourceId, "open" | "done">();
  const visit = (resource: R, trail: readonly ResourceId[]): void => {
    const id = idOf(resource);
    if (state.get(id) === "done") return;
    if (state.get(id) === "open")
      throw new TypeError(`resources wait for each other: ${[...trail, id].join(" → ")}`);
    state.set(id, "open");
    for (const before of resource.after ?? []) {
      const found = byId.get(before);
      if (found === undefined) throw new TypeError(`${id} waits for ${before}, which is not there`);
      visit(found, [...trail, id]);
    }
    state.set(id, "done");
    ordered.push(resource);
  };
  for (const resource of resources) visit(resource, []);
  return ordered;
}
