import type { PacketRules } from "../../facts/system/packet-rules.ts";
import type { FirewallRule, Manifest } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import { readIptables } from "./iptables.ts";
import { readNft } from "./nft.ts";
import { findDrops } from "./packet.ts";
import type { BaseChain, Packet, Verdict } from "./packet.ts";

/** A port that the manifest says is open from outside. */
export interface OpenPort {
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  /** Only from some addresses: this machine need not be among them. */
  readonly isLimited: boolean;
  /** A browser that does not get it asks another way (HTTP/3). */
  readonly isExtra: boolean;
}

/** A port that rules of somebody else shut, and which. */
export interface Shut {
  readonly open: OpenPort;
  readonly family: "ip" | "ip6";
  readonly by: Verdict;
}

/** A range is tried at its ends. */
function portsOf(rule: FirewallRule): number[] {
  if (typeof rule.port !== "number" || typeof rule.lastPort !== "number") return [];
  return [...new Set([rule.port, rule.lastPort])];
}

/**
 * What the manifest says is open: the firewall's rules; where hostkit makes none, what the proxy and the services need.
 * The ssh port is not among them: this very connection came in by it.
 */
export function listOpenPorts(manifest: Manifest): OpenPort[] {
  const hasSites = (manifest.proxy?.sites.length ?? 0) > 0;
  const open = (port: number, protocol: "tcp" | "udp", isLimited = false): OpenPort => ({
    port,
    protocol,
    isLimited,
    isExtra: hasSites && port === 443 && protocol === "udp",
  });
  if (manifest.firewall !== undefined) {
    return manifest.firewall.allow.flatMap((rule) =>
      portsOf(rule).map((port) => open(port, rule.protocol, rule.from.length > 0)),
    );
  }
  return [
    ...(hasSites ? [open(80, "tcp"), open(443, "tcp")] : []),
    ...servicesOf(manifest).flatMap((service) =>
      service.ports.map(({ outside, protocol }) => open(outside, protocol)),
    ),
  ];
}

/** Every chain that judges what comes to the host, but for hostkit's own. */
export function readChains(rules: PacketRules): BaseChain[] {
  const covered = new Set(
    rules.iptables.flatMap(({ origin, text }) => {
      if (origin.includes("legacy") || origin.includes("boot")) return [];
      const family = origin.startsWith("ip6") ? "ip6" : "ip";
      return [...text.matchAll(/^\*(\S+)/gm)].map(([, table = ""]) => `${family} ${table}`);
    }),
  );
  return [
    ...rules.iptables.flatMap(readIptables),
    ...rules.nft.flatMap((listing) =>
      readNft(listing, (table) => / hostkit\b/.test(table) || covered.has(table)),
    ),
  ];
}

/** What of `ports` rules of somebody else shut for certain, on each family that the host has an address of. */
export function findShut(ports: readonly OpenPort[], rules: PacketRules): Shut[] {
  const chains = readChains(rules);
  if (chains.length === 0) return [];
  const families = (["ip", "ip6"] as const).filter((family) =>
    rules.addresses.some((address) => address.includes(":") === (family === "ip6")),
  );
  return ports.flatMap((open) =>
    families.flatMap((family): Shut[] => {
      const packet: Packet = {
        family,
        protocol: open.protocol,
        port: open.port,
        interfaces: rules.interfaces,
        destinations: rules.addresses.filter(
          (address) => address.includes(":") === (family === "ip6"),
        ),
        isStranger: !open.isLimited,
      };
      return findDrops(chains, packet).map((by) => ({ open, family, by }));
    }),
  );
}

const familyNames = { ip: "IPv4", ip6: "IPv6" } as const;

/** `iptables, table filter, chain INPUT: policy drop`. */
export function describeVerdict({ chain, rule }: Verdict): string {
  return `${chain.origin}, table ${chain.table}, chain ${chain.name}: ${rule}`;
}

/** One line for each rule that shuts something: what it is and what it shuts. */
export function describeShut(shut: readonly Shut[]): string[] {
  const lines = new Map<string, Set<string>>();
  for (const { open, family, by } of shut) {
    const line = describeVerdict(by);
    const what = lines.get(line) ?? new Set<string>();
    lines.set(line, what.add(`${open.port}/${open.protocol} by ${familyNames[family]}`));
  }
  return [...lines].map(([line, what]) => `${line}; it shuts ${[...what].join(", ")}`);
}

/** What to do about them, paste-ready: let the ports in beside whatever else stands there. */
export function adviseOnShut(shut: readonly Shut[]): string {
  const commands = new Set<string>();
  for (const { origin, table, name } of new Set(shut.map(({ by }) => by.chain))) {
    const own = shut.filter(({ by }) => by.chain.origin === origin && by.chain.name === name);
    for (const protocol of ["tcp", "udp"] as const) {
      const ports = [
        ...new Set(
          own.filter(({ open }) => open.protocol === protocol).map(({ open }) => open.port),
        ),
      ].join(",");
      if (ports === "") continue;
      const program = origin.split(" ")[0] ?? "";
      if (origin.endsWith(" at boot")) {
        commands.add(
          program === "nft"
            ? `add ${protocol} dport { ${ports} } accept to the chain ${name} in /etc/nftables.conf`
            : `add -A ${name} -p ${protocol} -m multiport --dports ${ports} -j ACCEPT to /etc/iptables/rules.${program === "ip6tables" ? "v6" : "v4"}`,
        );
      } else {
        commands.add(
          program === "nft"
            ? `nft insert rule ${table} ${name} ${protocol} dport '{ ${ports} }' accept`
            : `${program} -t ${table} -I ${name} -p ${protocol} -m multiport --dports ${ports} -j ACCEPT`,
        );
      }
    }
  }
  return `on the host: ${[...commands].join("; ")}   and keep that where those rules are kept (netfilter-persistent save, /etc/nftables.conf, …); or take the other firewall away`;
}
