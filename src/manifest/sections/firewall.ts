import { z } from "zod";
import type { Firewall, FirewallRule, Protocol, PublishedPort } from "../manifest.ts";
import { compareText } from "../order.ts";
import { choice, flag, listOf, mapping, networkBlock, port, portDigits, text } from "../values.ts";

const wellKnown = ["ssh", "http", "https"] as const;
type WellKnown = (typeof wellKnown)[number];

const ports = `${portDigits}(?:-${portDigits})?`;
const portOrRange = () => text('a range such as "6000-6010"', new RegExp(`^${ports}$`));

const allowEntry = z.union([
  choice(wellKnown),
  port(),
  text(
    '"8080/tcp", "514/udp" or a range such as "6000-6010/udp"',
    new RegExp(`^${ports}(?:/(?:tcp|udp))?$`),
  ),
  mapping({
    port: z.union([choice(wellKnown), port(), portOrRange()]).meta({
      description: "ssh, http, https, a port or a range such as 6000-6010.",
    }),
    protocol: choice(["tcp", "udp"]).optional().meta({ description: "tcp or udp. Default: tcp." }),
    from: z
      .union([networkBlock(), listOf(networkBlock(), "addresses or blocks").min(1)])
      .optional()
      .meta({
        description: "Who may connect: addresses or blocks, IPv4 and IPv6. Default: everyone.",
        examples: [["192.0.2.0/24", "2001:db8::/32"]],
      }),
  }),
]);

export const firewallSectionSchema = z
  .union([
    choice(["none"]),
    mapping({
      allow: listOf(allowEntry, 'ssh, http, https, "8080/tcp" or {port, protocol, from}')
        .optional()
        .meta({
          description:
            'What is open from outside: ssh, http, https (TCP and UDP 443), "8080/tcp", "6000-6010/udp" or {port, protocol, from}. Published `ports` of services are added. Default: ssh, and http and https when the proxy has sites.',
          examples: [["ssh", "http", "https"]],
        }),
      ssh: flag().optional().meta({
        description:
          "false: SSH may stay closed, because this host is reached in another way. Without it `allow` must have ssh. Default: true.",
      }),
    }),
  ])
  .meta({
    description:
      "One nftables table for everything that comes in, containers included; all else is dropped. none: hostkit leaves the firewall alone. Without the section the default is used.",
    examples: [{ allow: ["ssh", "http", "https"] }],
  });

export type WrittenFirewall = z.output<typeof firewallSectionSchema>;
export type WrittenRules = Exclude<WrittenFirewall, string>;
export type WrittenAllow = NonNullable<WrittenRules["allow"]>[number];

/** `published`: ports of services that are reachable from outside; `hasSites`: whether the proxy serves any. */
export function normalizeFirewall(
  written: WrittenFirewall | undefined,
  published: readonly PublishedPort[],
  hasSites: boolean,
): Firewall | undefined {
  if (typeof written === "string") return undefined;
  const defaults: WrittenAllow[] = [
    ...(written?.ssh === false ? [] : (["ssh"] as const)),
    ...(hasSites ? (["http", "https"] as const) : []),
  ];
  const rules = (written?.allow ?? defaults).flatMap(expandAllow);
  for (const { outside, protocol } of published) rules.push(rule(outside, outside, protocol, []));
  const distinct = new Map(rules.map((entry) => [JSON.stringify(entry), entry]));
  return { allow: [...distinct.values()].toSorted(compareRules) };
}

/** One written entry as rules; https is two, because HTTP/3 is UDP. */
export function expandAllow(entry: WrittenAllow): FirewallRule[] {
  const written = typeof entry === "object" ? entry : { port: entry };
  const from = [...new Set([written.from ?? []].flat())].sort();
  const [ports = "", suffix] = String(written.port).split("/");
  const explicit = written.protocol ?? (suffix === "udp" || suffix === "tcp" ? suffix : undefined);
  if (isWellKnown(ports)) return wellKnownRules(ports, explicit, from);
  const [first = "", last = first] = ports.split("-");
  return [rule(Number(first), Number(last), explicit ?? "tcp", from)];
}

function isWellKnown(name: string): name is WellKnown {
  return (wellKnown as readonly string[]).includes(name);
}

function wellKnownRules(
  name: WellKnown,
  protocol: Protocol | undefined,
  from: readonly string[],
): FirewallRule[] {
  if (name === "ssh") return [{ name, port: "ssh", lastPort: "ssh", protocol: "tcp", from }];
  if (name === "http") return [{ name, port: 80, lastPort: 80, protocol: "tcp", from }];
  const protocols: readonly Protocol[] = protocol === undefined ? ["tcp", "udp"] : [protocol];
  return protocols.map((each) => ({ name, port: 443, lastPort: 443, protocol: each, from }));
}

function rule(
  first: number,
  last: number,
  protocol: Protocol,
  from: readonly string[],
): FirewallRule {
  const ports = first === last ? `${first}` : `${first}-${last}`;
  return { name: `${ports}/${protocol}`, port: first, lastPort: last, protocol, from };
}

function compareRules(left: FirewallRule, right: FirewallRule): number {
  const rank = (entry: FirewallRule) => (entry.port === "ssh" ? 0 : entry.port);
  return (
    rank(left) - rank(right) ||
    compareText(left.protocol, right.protocol) ||
    compareText(JSON.stringify(left), JSON.stringify(right))
  );
}
