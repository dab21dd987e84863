import { HostkitError } from "../../errors.ts";
import type { Facts } from "../../facts/fact.ts";
import { packetRulesFacts, packetRulesSubject } from "../../facts/system/packet-rules.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { containersOf } from "../../manifest/services.ts";
import { adviseOnShut, describeShut, findShut, listOpenPorts } from "./rivals.ts";

/** Rules of a person or of another program: a drop anywhere wins over every accept of ours. */
export function checkRivalRules(
  manifest: Manifest,
  host: string,
  facts: Facts,
): HostkitError | undefined {
  const rules = facts.get(packetRulesFacts, packetRulesSubject);
  if (rules === undefined) return undefined;
  const shut = findShut(listOpenPorts(manifest), rules).filter(({ open }) => !open.isExtra);
  if (shut.length === 0) return undefined;
  const ports = [...new Set(shut.map(({ open }) => `${open.port}/${open.protocol}`))];
  return new HostkitError("firewall_taken", {
    what: `other rules on the host shut what the manifest opens: ${ports.join(", ")}`,
    where: host,
    why: "a packet that any rule drops is gone, whatever hostkit's own rules say; nothing was changed",
    details: describeShut(shut),
    next: adviseOnShut(shut),
  });
}

/** Its reload takes away hostkit's table, and Docker's with the way into every container. */
export function checkFlush(
  manifest: Manifest,
  host: string,
  facts: Facts,
): HostkitError | undefined {
  const rules = facts.get(packetRulesFacts, packetRulesSubject);
  const hasContainers = containersOf(manifest).length > 0;
  if (rules?.flushesAll !== true || (manifest.firewall === undefined && !hasContainers))
    return undefined;
  return new HostkitError("firewall_taken", {
    what: "nftables.service is enabled, and /etc/nftables.conf begins by flushing every table",
    where: host,
    why: "each start of it would throw away hostkit's rules and Docker's; nothing was changed",
    next: "on the host: systemctl disable nftables.service   or, in /etc/nftables.conf, replace `flush ruleset` by a line for each table of its own: table inet filter; delete table inet filter",
  });
}
