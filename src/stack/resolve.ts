import type { PackagesResource } from "../resources/packages/packages.ts";
import { idOf } from "../resources/resource.ts";
import type { Resource } from "../resources/resource.ts";
import { resolveBackups } from "./backups/backups.ts";
import { addRestoreFrom } from "./backups/restore-from.ts";
import { claimAll } from "./claims.ts";
import { resolveDatabase } from "./database/database.ts";
import { resolveFirewall } from "./host/firewall.ts";
import { resolveHost } from "./host/host.ts";
import { joinSections, putUnder } from "./inputs.ts";
import type { Section, StackInputs } from "./inputs.ts";
import { stackDirectoryOf } from "./names.ts";
import { resolveProxy } from "./proxy.ts";
import { resolveServices } from "./services/services.ts";
import { resolveTarget } from "./target.ts";

/** Every resource of a stack on one host, in the order of the sections; the same input gives the same list. */
export function resolveStack(inputs: StackInputs): Resource[] {
  const sections: Section[] = [
    resolveHost(inputs),
    resolveFirewall(inputs),
    putUnder({ shared: "database" }, resolveDatabase(inputs)),
    resolveServices(inputs),
    putUnder({ shared: "proxy" }, resolveProxy(inputs)),
  ];
  const others = sections.flatMap((section) => section.resources);
  sections.push(putUnder({ shared: "backups" }, resolveBackups(inputs, others)));
  const { resources, beforePackages, ...all } = joinSections(sections);
  const packages: PackagesResource = {
    kind: "packages",
    name: "apt",
    ...(beforePackages.length === 0 ? {} : { after: [...new Set(beforePackages)] }),
    packages: [...new Set(all.packages)].sort(),
    stackDirectory: stackDirectoryOf(inputs.manifest.stack),
    alternatives: all.alternatives,
    dataPackages: [...new Set(all.dataPackages)].sort(),
    startsLater: all.startsLater,
    pins: all.pins,
  };
  return claimAll(
    inputs.manifest,
    addRestoreFrom(inputs, [
      packages,
      ...mergeEqual([...resources, ...resolveTarget(inputs, resources)]),
    ]),
  );
}

/** Sections may name the same thing (a shared folder); equal ones count once, and are the host's where several services have them. */
function mergeEqual(resources: readonly Resource[]): Resource[] {
  const byId = new Map<string, Resource>();
  for (const resource of resources) {
    const known = byId.get(idOf(resource));
    if (known === undefined) {
      byId.set(idOf(resource), resource);
      continue;
    }
    const { heading, ...rest } = resource;
    const { heading: before, ...others } = known;
    if (JSON.stringify(others) !== JSON.stringify(rest)) {
      throw new TypeError(`two sections disagree about ${idOf(resource)}`);
    }
    if (JSON.stringify(heading) !== JSON.stringify(before)) byId.set(idOf(resource), rest);
  }
  return [...byId.values()];
}
