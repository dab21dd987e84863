import type { Claim } from "../facts/neighbours.ts";
import type { Manifest } from "../manifest/schema.ts";
import { servicesOf } from "../manifest/services.ts";
import { claimsId, claimsOf } from "../resources/claims.ts";
import type { OwnClaim } from "../resources/claims.ts";
import { kindOf } from "../resources/kinds.ts";
import { claimOpening, claimPort, claimSharedPort } from "../resources/port-claims.ts";
import { firewallId } from "../resources/system/nftables.ts";
import { sshdId, sshdPath } from "../resources/system/sshd.ts";
import { timeSyncId } from "../resources/system/time-sync.ts";
import { caddyId } from "../resources/proxy/caddy-places.ts";
import { idOf } from "../resources/resource.ts";
import type { Resource } from "../resources/resource.ts";
import { stackDirectoryOf } from "./names.ts";
import { allocatePorts } from "./services/service-places.ts";
import { runningIdOf } from "./services/start-order.ts";

/**
 * What the stack has on the host, for the other stacks there, in front of all that is then done: every resource waits for it.
 * @param resources all of the stack
 */
export function claimAll(manifest: Manifest, resources: readonly Resource[]): Resource[] {
  const claims: OwnClaim[] = [
    ...resources.flatMap((resource) =>
      (kindOf(resource).claims?.(resource) ?? []).map((claim) => ({
        ...claim,
        of: idOf(resource),
      })),
    ),
    ...claimPorts(manifest),
    ...claimOpenings(manifest),
    ...claimRefusals(manifest),
  ];
  return [
    claimsOf(stackDirectoryOf(manifest.stack), claims),
    ...resources.map((resource) => ({ ...resource, after: [claimsId, ...(resource.after ?? [])] })),
  ];
}

function claimPorts(manifest: Manifest): OwnClaim[] {
  const slots = allocatePorts(manifest);
  const ofServices = servicesOf(manifest).flatMap((service): OwnClaim[] => {
    const slot = slots.get(service.name);
    const claims = [
      ...service.ports.map((port) => claimPort(port.protocol, port.outside, true)),
      ...(service.section === "web" && service.runtime === "native"
        ? [claimPort("tcp", service.port)]
        : []),
      ...(slot === undefined ? [] : [claimPort("tcp", slot)]),
    ];
    return claims.map((claim) => ({ ...claim, of: runningIdOf(manifest.stack, service) }));
  });
  const hasSites = (manifest.proxy?.sites.length ?? 0) > 0;
  const proxy = hasSites
    ? [80, 443].map((port) => ({ ...claimSharedPort("tcp", port), of: caddyId }))
    : [];
  return [...ofServices, ...proxy];
}

function claimOpenings(manifest: Manifest): OwnClaim[] {
  return (manifest.firewall?.allow ?? []).flatMap(({ port, lastPort, protocol }) =>
    typeof port === "number" && typeof lastPort === "number"
      ? [{ ...claimOpening({ protocol, first: port, last: lastPort }), of: firewallId }]
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
