import type { Claim } from "../facts/neighbours.ts";
import type { Manifest, PublishedPort } from "../manifest/schema.ts";
import { servicesOf } from "../manifest/services.ts";
import { claimsId, claimsOf } from "../resources/claims.ts";
import { kindOf } from "../resources/kinds.ts";
import { claimOpening, claimPort, claimSharedPort } from "../resources/port-claims.ts";
import type { Resource } from "../resources/resource.ts";
import { sshdId, sshdPath } from "../resources/system/sshd.ts";
import { timeSyncId } from "../resources/system/time-sync.ts";
import { stackDirectoryOf } from "./names.ts";
import { allocatePorts } from "./services/service-places.ts";

/**
 * What the stack has on the host, for the other stacks there, in front of all that is then done: every resource waits for it.
 * @param resources all of the stack
 */
export function claimAll(manifest: Manifest, resources: readonly Resource[]): Resource[] {
  const claims = [
    ...resources.flatMap((resource) => kindOf(resource).claims?.(resource) ?? []),
    ...claimPorts(manifest),
    ...claimOpenings(manifest),
    ...claimRefusals(manifest),
  ];
  return [
    claimsOf(stackDirectoryOf(manifest.stack), claims),
    ...resources.map((resource) => ({ ...resource, after: [claimsId, ...(resource.after ?? [])] })),
  ];
}

function claimPorts(manifest: Manifest): Claim[] {
  const published = servicesOf(manifest)
    .flatMap((service): readonly PublishedPort[] => service.ports)
    .map((port) => claimPort(port.protocol, port.outside, true));
  const native = manifest.web
    .filter((service) => service.runtime === "native")
    .map((service) => claimPort("tcp", service.port));
  const slots = [...allocatePorts(manifest).values()].map((port) => claimPort("tcp", port));
  const hasSites = (manifest.proxy?.sites.length ?? 0) > 0;
  const proxy = hasSites ? [80, 443].map((port) => claimSharedPort("tcp", port)) : [];
  return [...published, ...native, ...slots, ...proxy];
}

function claimOpenings(manifest: Manifest): Claim[] {
  return (manifest.firewall?.allow ?? []).flatMap(({ port, lastPort, protocol }) =>
    typeof port === "number" && typeof lastPort === "number"
      ? [claimOpening({ protocol, first: port, last: lastPort })]
      : [],
  );
}

/** What the manifest says is not to be: it wins over another stack's default, and no resource stands for it. */
function claimRefusals({ host }: Manifest): Claim[] {
  const refuse = (thing: string): Claim => ({ thing, mode: "same", value: "none" });
  return [
    ...(host.ssh.harden ? [] : [refuse(sshdId(sshdPath))]),
    ...(host.timeSync ? [] : [refuse(timeSyncId)]),
  ];
}
