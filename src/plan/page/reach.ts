import type { Facts } from "../../facts/fact.ts";
import { textFacts } from "../../facts/files/file.ts";
import { claimsPath, parseClaims } from "../../facts/neighbours.ts";
import { listenerFacts, listenersSubject } from "../../facts/system/listeners.ts";
import type { Firewall, Manifest } from "../../manifest/schema.ts";
import { isClaims, neighboursOf } from "../../resources/claims.ts";
import { readPorts } from "../../resources/port-claims.ts";
import type { ClaimedPorts } from "../../resources/port-claims.ts";
import type { Resource } from "../../resources/resource.ts";
import { firewallId } from "../../resources/system/nftables.ts";
import { isLoopback } from "../exposure.ts";
import { openedByOthers } from "../openings.ts";
import type { Plan } from "../types.ts";

/** What changes for whoever comes from outside. */
export interface Openings {
  readonly opens: readonly string[];
  readonly closes: readonly string[];
  /** `firewall: none`: nothing is closed, and what is published answers. */
  readonly isUnguarded: boolean;
  /** The firewall comes: everything that nobody opens is closed from then on. */
  readonly isNew: boolean;
}

interface ReachInput {
  readonly plan: Plan;
  readonly manifest: Manifest;
  readonly resources: readonly Resource[];
  readonly facts: Facts;
  readonly closer: Facts;
}

/** Ports that a plan opens and closes, against what the stack has written down on the host. */
export function describeOpenings(input: ReachInput): Openings {
  const { plan, manifest, resources, facts, closer } = input;
  const isUnguarded = manifest.firewall === undefined;
  const none = { opens: [], closes: [], isUnguarded, isNew: false };
  const claims = resources.find(isClaims);
  const firewall = plan.changes.find(({ id }) => id === firewallId);
  if (claims === undefined || (!isUnguarded && firewall === undefined)) return none;
  const what = isUnguarded ? "published" : "open";
  const text = facts.get(textFacts, claimsPath(plan.stackDirectory)) ?? "";
  const before = readPorts(parseClaims(text), what);
  const after = readPorts(claims.claims, what);
  const isNew = firewall?.action === "create";
  const meant = without(after, before);
  const gone = [...without(before, after), ...(isNew ? listShut(plan, facts, closer, after) : [])];
  return {
    opens: meant.map((ports) => `${nameOf(ports)}${describeSources(ports, manifest.firewall)}`),
    closes: gone.map(nameOf),
    isUnguarded,
    isNew,
  };
}

/** TCP ports that answer from outside now, and that nobody opens. */
function listShut(
  { stackDirectory }: Plan,
  facts: Facts,
  closer: Facts,
  open: readonly ClaimedPorts[],
): ClaimedPorts[] {
  const others = openedByOthers(neighboursOf(facts, stackDirectory));
  const listeners = closer.get(listenerFacts, listenersSubject) ?? [];
  const shut = listeners
    .filter(
      ({ protocol, address, port, program }) =>
        protocol === "tcp" &&
        !isLoopback(address) &&
        // Wherever sshd listens stays open.
        program !== "sshd" &&
        !(program === "systemd" && port === 22) &&
        !open.some((one) => one.protocol === "tcp" && one.first <= port && port <= one.last) &&
        !others.some(({ first, last }) => first <= port && port <= last),
    )
    .map(({ port }) => port);
  return [...new Set(shut)]
    .sort((a, b) => a - b)
    .map((port) => ({ protocol: "tcp", first: port, last: port }));
}

function without(ports: readonly ClaimedPorts[], others: readonly ClaimedPorts[]): ClaimedPorts[] {
  const known = new Set(others.map(nameOf));
  const left = new Map(ports.map((one) => [nameOf(one), one]));
  return [...left].filter(([name]) => !known.has(name)).map(([, one]) => one);
}

function nameOf({ protocol, first, last }: ClaimedPorts): string {
  return `${first === last ? String(first) : `${first}-${last}`}/${protocol}`;
}

/** ` (from 10.0.0.0/8 only)` */
function describeSources(
  { protocol, first }: ClaimedPorts,
  firewall: Firewall | undefined,
): string {
  const rules = (firewall?.allow ?? []).filter(
    (rule) => rule.protocol === protocol && rule.port === first,
  );
  const isForAll = rules.length === 0 || rules.some(({ from }) => from.length === 0);
  return isForAll ? "" : ` (from ${rules.flatMap(({ from }) => from).join(", ")} only)`;
}
