import { servicesOf } from "../manifest/services.ts";
import { HostkitError } from "../errors.ts";
import { need } from "../facts/fact.ts";
import type { FactNeed } from "../facts/fact.ts";
import { listenerFacts, listenersSubject } from "../facts/system/listeners.ts";
import { packetRulesFacts, packetRulesSubject } from "../facts/system/packet-rules.ts";
import { restartFacts, restartsSubject } from "../facts/units/unit.ts";
import type { Manifest } from "../manifest/schema.ts";
import { findUndeclaredPorts, listPortsToTry } from "../plan/exposure.ts";
import { openedByOthers } from "../plan/openings.ts";
import { narrowManifest } from "../plan/scope.ts";
import { neighboursOf } from "../resources/claims.ts";
import { idOf } from "../resources/resource.ts";
import type { ResourceId } from "../resources/resource.ts";
import type { UnitResource } from "../resources/units/unit.ts";
import type { Inspection } from "./inspect.ts";
import { proveOpen } from "./prove-open.ts";
import { tryTcp } from "./reach.ts";

/** What the proof asks about, besides the plan's own needs. */
export const proofNeeds: readonly FactNeed[] = [
  need(listenerFacts, listenersSubject),
  need(restartFacts, restartsSubject),
  need(packetRulesFacts, packetRulesSubject),
];

/** What the proof needs besides the second look at the host. */
export interface ProofOptions {
  readonly manifest: Manifest;
  readonly host: string;
  /** Where this machine reaches the host directly; absent behind a jump host: ports are then not tried. */
  readonly address?: string;
  readonly sshPort: number;
  /** What the run changed. */
  readonly changed: ReadonlySet<ResourceId>;
}

/**
 * The proof after a run: the plan is empty, and from outside what the manifest declares answers, and nothing else.
 * @param inspection a fresh look, made with `proofNeeds`
 * @returns what could not be proved from here
 * @throws HostkitError proof_failed that names every difference
 */
export async function proveHost(
  inspection: Inspection,
  options: ProofOptions,
): Promise<readonly string[]> {
  const differences = inspection.plan.changes.map((change) => `${change.id}: ${change.because}`);
  differences.push(...findRestarted(inspection, options.changed));
  const listeners = inspection.facts.get(listenerFacts, listenersSubject) ?? [];
  const rules = inspection.facts.get(packetRulesFacts, packetRulesSubject);
  const { part } = inspection.plan;
  const { manifest } = options;
  const meant = part === undefined ? manifest : narrowManifest(manifest, part);
  const open = await proveOpen({ manifest: meant, rules, listeners }, options.address);
  differences.push(...open.differences);
  if (options.address !== undefined) {
    const tried = listPortsToTry(listeners, options.sshPort);
    // Of a part: what else answers may wait for a plan of the whole.
    const answering = await findOpenPorts(
      options.address,
      part === undefined ? tried : tried.filter((port) => isPublished(meant, port)),
    );
    for (const port of findUndeclaredPorts(
      manifest.firewall,
      answering,
      openedByOthers(neighboursOf(inspection.facts, inspection.plan.stackDirectory)),
    )) {
      differences.push(`port ${port} answers from outside, the manifest does not allow it`);
    }
  }
  if (differences.length === 0) return open.notes;
  throw new HostkitError("proof_failed", {
    what: "the run ended well, but the host is not as it should be",
    where: options.host,
    why: "something changed it at once, or a check does not hold",
    details: differences,
    next:
      open.next ??
      "run the same command again; if the same lines come back, look at them with `hostkit plan` and on the host",
  });
}

function isPublished(manifest: Manifest, port: number): boolean {
  return servicesOf(manifest).some(({ ports }) => ports.some(({ outside }) => outside === port));
}

/** Services that the run started and that systemd has had to start once more since. */
function findRestarted(
  { resources, facts }: Inspection,
  changed: ReadonlySet<ResourceId>,
): string[] {
  const restarts = facts.get(restartFacts, restartsSubject);
  return resources
    .filter((resource): resource is UnitResource => resource.kind === "unit")
    .filter((resource) => resource.again !== undefined && changed.has(idOf(resource)))
    .filter((resource) => (restarts?.[resource.unit] ?? 0) > 0)
    .map((resource) => `${idOf(resource)}: does not stay up, systemd has started it again already`);
}

/** Those of the TCP ports that take a connection within the time. */
export async function findOpenPorts(
  address: string,
  ports: readonly number[],
  timeoutMs = 1000,
): Promise<number[]> {
  const tried = await Promise.all(
    ports.map(async (port) => ((await tryTcp(address, port, timeoutMs)) === "open" ? [port] : [])),
  );
  return tried.flat();
}
