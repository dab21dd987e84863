import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { PacketRules } from "../../../src/facts/system/packet-rules.ts";
import { describeShut, findShut } from "../../../src/plan/rivals/rivals.ts";

const host = {
  interfaces: ["eth0"],
  addresses: ["192.0.2.7", "2001:db8::7"],
  flushesAll: false,
  nft: [],
  iptables: [],
} satisfies PacketRules;

/** `80 443 514/udp 7300/limited`, each that is shut with its families. */
function shutOf(rules: Partial<PacketRules>, wanted: string): string[] {
  const ports = wanted.split(" ").map((text) => {
    const [port, word] = text.split("/");
    const protocol = word === "udp" ? ("udp" as const) : ("tcp" as const);
    return { port: Number(port), protocol, isLimited: word === "limited", isExtra: false };
  });
  const shut = findShut(ports, { ...host, ...rules });
  return [...new Set(shut.map(({ open, family }) => `${open.port} ${family}`))];
}

const iptables = (lines: string, origin = "iptables") => ({
  iptables: [{ origin, text: `# Generated\n*filter\n${lines}COMMIT\n` }],
});
const drop = ":INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
const accept = ":INPUT ACCEPT [0:0]\n";

describe("rules of iptables", () => {
  /** Text of iptables-save, ports, what is shut. */
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    [drop, "80", ["80 ip"]],
    [`${drop}-A INPUT -j ACCEPT\n`, "80", []],
    [`${drop}-A INPUT -i lo -j ACCEPT\n`, "80", ["80 ip"]],
    [`${drop}-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n`, "80", ["80 ip"]],
    [
      `${drop}-A INPUT -p tcp -m state --state NEW -m tcp --dport 80 -j ACCEPT\n`,
      "80 443",
      ["443 ip"],
    ],
    [
      `${drop}-A INPUT -p tcp -m multiport --dports 80,8000:8100 -j ACCEPT\n`,
      "80 8050 443",
      ["443 ip"],
    ],
    [`${drop}-A INPUT -p udp -m udp --dport 443 -j ACCEPT\n`, "443 443/udp", ["443 ip"]],
    [`${drop}-A INPUT ! -p udp -j ACCEPT\n`, "443 514/udp", ["514 ip"]],
    [`${drop}-A INPUT -s 10.0.0.0/8 -p tcp --dport 443 -j ACCEPT\n`, "443", ["443 ip"]],
    // From whom the manifest lets in nothing is known.
    [`${drop}-A INPUT -s 10.0.0.0/8 -p tcp --dport 443 -j ACCEPT\n`, "443/limited", []],
    [`${drop}-A INPUT -d 192.0.2.7/32 -j ACCEPT\n`, "443", []],
    [`${drop}-A INPUT -d 192.0.2.9/32 -j ACCEPT\n`, "443", ["443 ip"]],
    [`${drop}-A INPUT -i eth0 -j ACCEPT\n`, "443", []],
    [`${drop}-A INPUT -i wg+ -j ACCEPT\n`, "443", ["443 ip"]],
    [
      `${drop}-A INPUT -p tcp -m limit --limit 25/min --limit-burst 100 --dport 80 -j ACCEPT\n`,
      "80",
      [],
    ],
    // What is not known may let it in: nobody is refused for it.
    [`${drop}-A INPUT -m geoip --source-country DE -j ACCEPT\n`, "80", []],
    [`${accept}-A INPUT -m geoip ! --source-country DE -j DROP\n`, "80", []],
    [
      `${accept}-A INPUT -p tcp --dport 443 -j REJECT --reject-with icmp-port-unreachable\n`,
      "443 80",
      ["443 ip"],
    ],
    [
      `${accept}-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP\n`,
      "443 53/udp",
      ["443 ip"],
    ],
    [
      `${accept}-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m state --state NEW -j DROP\n`,
      "443",
      [],
    ],
    [`${accept}-A INPUT -m set --match-set crowdsec src -j DROP\n`, "443", []],
    [`${accept}-A INPUT -m set ! --match-set friends src -j DROP\n`, "443", ["443 ip"]],
    [
      `${accept}-A INPUT -p tcp -m connlimit --connlimit-above 20 --connlimit-mask 32 --connlimit-saddr -j REJECT\n`,
      "443",
      [],
    ],
    [
      `${accept}:OWN - [0:0]\n-A INPUT -p tcp -g OWN\n-A OWN -p tcp --dport 22 -j ACCEPT\n-A OWN -j DROP\n`,
      "443 53/udp",
      ["443 ip"],
    ],
    [
      `${accept}:OWN - [0:0]\n-A INPUT -j OWN\n-A OWN -p tcp --dport 443 -j RETURN\n-A OWN -p tcp -j DROP\n`,
      "443 80",
      ["80 ip"],
    ],
    [`${drop}:EMPTY - [0:0]\n-A INPUT -j EMPTY\n`, "80", ["80 ip"]],
    [
      `${drop}-A INPUT -j LOG --log-prefix "drop: \\"x\\" "\n-A INPUT -m comment --comment "all -j DROP" -j ACCEPT\n`,
      "80",
      [],
    ],
    [`${accept}-A INPUT -j NFQUEUE --queue-num 0\n-A INPUT -j DROP\n`, "80", []],
    [`${drop}-A INPUT -j A\n:A - [0:0]\n-A A -j A\n`, "80", []],
  ];
  test.each(cases)("%j", (text, ports, expected) => {
    expect(shutOf(iptables(text), ports)).toEqual(expected);
  });

  test("IPv6 alone, before routing, at boot", () => {
    expect(shutOf(iptables(drop, "ip6tables"), "443")).toEqual(["443 ip6"]);
    expect(shutOf({ ...iptables(drop, "ip6tables"), addresses: ["192.0.2.7"] }, "443")).toEqual([]);
    const raw =
      "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 443 -j DROP\nCOMMIT\n";
    expect(shutOf({ iptables: [{ origin: "iptables", text: raw }] }, "443")).toEqual(["443 ip"]);
    expect(shutOf(iptables(drop, "iptables at boot"), "443")).toEqual(["443 ip"]);
    // Forwarding is somebody else's.
    expect(shutOf(iptables(":FORWARD DROP [0:0]\n:INPUT ACCEPT [0:0]\n"), "443")).toEqual([]);
  });
});

const rule = (...expr: readonly object[]) => ({
  rule: { family: "inet", table: "t", chain: "in", handle: 4, expr },
});
const match = (left: object, right: unknown, op = "==") => ({ match: { op, left, right } });
const meta = (key: string) => ({ meta: { key } });
const field = (protocol: string, name: string) => ({ payload: { protocol, field: name } });
const verdict = (word: string) => ({ [word]: null });
const chain = (policy: string, more: object = {}) => ({
  chain: {
    family: "inet",
    table: "t",
    name: "in",
    type: "filter",
    hook: "input",
    prio: 0,
    policy,
    ...more,
  },
});
const nft = (...objects: readonly object[]) => ({
  nft: [{ origin: "nft", text: JSON.stringify({ nftables: objects }) }],
});

describe("rules of nftables", () => {
  /** Objects of `nft -j list ruleset`, ports, what is shut. */
  const both = ["443 ip", "443 ip6"];
  const cases: readonly (readonly [string, readonly object[], string, readonly string[]])[] = [
    ["a policy", [chain("drop")], "443", both],
    ["a policy of forwarding", [chain("drop", { hook: "forward" })], "443", []],
    ["a nat chain", [chain("drop", { type: "nat", hook: "prerouting" })], "443", []],
    ["one family", [chain("drop", { family: "ip6" })], "443", ["443 ip6"]],
    [
      "nfproto",
      [chain("drop"), rule(match(meta("nfproto"), "ipv4"), verdict("accept"))],
      "443",
      ["443 ip6"],
    ],
    ["a device", [chain("drop", { family: "netdev", hook: "ingress", dev: "eth0" })], "443", both],
    [
      "a set",
      [
        chain("drop"),
        rule(match(field("tcp", "dport"), { set: [22, { range: [400, 500] }] }), verdict("accept")),
      ],
      "443 80",
      ["80 ip", "80 ip6"],
    ],
    [
      "not a set",
      [
        chain("accept"),
        rule(match(field("tcp", "dport"), { set: [22, 80] }, "!="), { reject: {} }),
      ],
      "443 80 53/udp",
      both,
    ],
    [
      "more than",
      [chain("accept"), rule(match(field("tcp", "dport"), 100, ">"), verdict("drop"))],
      "443 80 514/udp",
      both,
    ],
    [
      "th",
      [chain("accept"), rule(match(field("th", "dport"), 443), verdict("drop"))],
      "443 443/udp",
      both,
    ],
    [
      "a named set",
      [
        chain("drop"),
        {
          set: {
            family: "inet",
            table: "t",
            name: "open",
            elem: [443, { elem: { val: 80, comment: "web" } }],
          },
        },
        rule(match(field("tcp", "dport"), "@open"), verdict("accept")),
      ],
      "443 80",
      [],
    ],
    [
      "an empty named set of sources",
      [
        chain("accept"),
        { set: { family: "inet", table: "t", name: "bad" } },
        rule(match(field("ip", "saddr"), "@bad"), verdict("drop")),
      ],
      "443",
      [],
    ],
    [
      "a list of the banned",
      [
        chain("accept"),
        rule(
          match(field("ip", "saddr"), { set: [{ prefix: { addr: "198.51.100.0", len: 24 } }] }),
          verdict("drop"),
        ),
      ],
      "443",
      [],
    ],
    [
      "everybody",
      [
        chain("accept"),
        rule(match(field("ip", "saddr"), { prefix: { addr: "0.0.0.0", len: 0 } }), verdict("drop")),
      ],
      "443",
      ["443 ip"],
    ],
    [
      "all but a net",
      [
        chain("accept"),
        rule(
          match(field("ip", "saddr"), { prefix: { addr: "10.0.0.0", len: 8 } }, "!="),
          verdict("drop"),
        ),
      ],
      "443",
      ["443 ip"],
    ],
    [
      "the host's own address",
      [
        chain("drop"),
        rule(
          match(field("ip6", "daddr"), { prefix: { addr: "2001:db8::", len: 32 } }),
          verdict("accept"),
        ),
      ],
      "443",
      ["443 ip"],
    ],
    [
      "a limit",
      [chain("drop"), rule({ limit: { rate: 5, per: "second" } }, verdict("accept"))],
      "443",
      [],
    ],
    [
      "beyond a limit",
      [chain("accept"), rule({ limit: { rate: 5, per: "second", inv: true } }, verdict("drop"))],
      "443",
      [],
    ],
    [
      "a reverse path",
      [
        chain("accept"),
        rule(match({ fib: { result: "oif", flags: ["saddr", "iif"] } }, false), verdict("drop")),
      ],
      "443",
      [],
    ],
    [
      "what comes to the host",
      [
        chain("accept"),
        rule(match({ fib: { result: "type", flags: ["daddr"] } }, "local"), verdict("drop")),
      ],
      "443",
      both,
    ],
    [
      "by another interface",
      [chain("accept"), rule(match(meta("iifname"), "wg*"), verdict("drop"))],
      "443",
      [],
    ],
    [
      "what nobody knows",
      [chain("drop"), rule({ xt: { type: "match", name: "geoip" } }, verdict("accept"))],
      "443",
      [],
    ],
    ["queued", [chain("drop"), rule({ queue: { num: 0 } })], "443", []],
    [
      "a jump",
      [
        chain("accept"),
        { chain: { family: "inet", table: "t", name: "more" } },
        rule({ jump: { target: "more" } }),
        {
          rule: {
            family: "inet",
            table: "t",
            chain: "more",
            handle: 9,
            expr: [{ counter: {} }, verdict("drop")],
          },
        },
      ],
      "443",
      both,
    ],
    [
      "a map",
      [
        chain("drop"),
        rule({
          vmap: {
            key: field("tcp", "dport"),
            data: {
              set: [
                [80, verdict("drop")],
                [443, verdict("accept")],
              ],
            },
          },
        }),
      ],
      "443 80",
      ["80 ip", "80 ip6"],
    ],
    [
      "a concatenation",
      [
        chain("drop"),
        rule(
          match(
            { concat: [meta("l4proto"), field("th", "dport")] },
            { set: [{ concat: ["tcp", 443] }] },
          ),
          verdict("accept"),
        ),
      ],
      "443 80",
      ["80 ip", "80 ip6"],
    ],
    ["hostkit's own", [chain("drop", { table: "hostkit" })], "443", []],
  ];
  test.each(cases)("%s", (_, objects, ports, expected) => {
    expect(shutOf(nft(...objects), ports)).toEqual(expected);
  });

  test("a table as nft 1.1.3 lists it", () => {
    const text = readFileSync(
      new URL("../../cases/rivals/mixed-table.nft.json", import.meta.url),
      "utf8",
    );
    const rules = { interfaces: ["eth0"], nft: [{ origin: "nft", text }] };
    expect(shutOf(rules, "22 80 443 53/udp")).toEqual(["53 ip", "53 ip6"]);
    expect(
      describeShut(
        findShut([{ port: 53, protocol: "udp", isLimited: false, isExtra: false }], {
          ...host,
          ...rules,
        }),
      ),
    ).toEqual([
      "nft, table inet foo, chain in: rule 11 (reject); it shuts 53/udp by IPv4, 53/udp by IPv6",
    ]);
  });

  test("tables that iptables-save shows are read there", () => {
    const table = { family: "ip", table: "filter", name: "INPUT" };
    const objects = [
      chain("drop", table),
      {
        rule: {
          family: "ip",
          table: "filter",
          chain: "INPUT",
          expr: [{ xt: null }, verdict("accept")],
        },
      },
    ];
    expect(shutOf({ ...nft(...objects), ...iptables(drop) }, "443")).toEqual(["443 ip"]);
    // Alone it cannot be told.
    expect(shutOf(nft(...objects), "443")).toEqual([]);
  });

  test("what is no JSON is no rule", () => {
    expect(shutOf({ nft: [{ origin: "nft", text: "Error: syntax" }] }, "443")).toEqual([]);
  });
});
