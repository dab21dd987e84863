import type { Listing } from "../../facts/system/packet-rules.ts";
import { comesInBy, isWithin, not } from "./packet.ts";
import type { Answer, BaseChain, Decision, Packet, Rule } from "./packet.ts";

type Condition = Rule["conditions"][number];

/** What a packet for the host itself comes by (iptables(8), "TABLES"). */
const hooks = ["PREROUTING", "INPUT"];

/** Chains that a new packet for the host meets, out of the text of iptables-save(8). */
export function readIptables({ origin, text }: Listing): BaseChain[] {
  const families = [origin.startsWith("ip6") ? "ip6" : "ip"] as const;
  return text.split(/^\*/m).flatMap((part): BaseChain[] => {
    const [table = "", ...lines] = part.split("\n");
    if (!/^(?:raw|mangle|filter|security)$/.test(table)) return [];
    const chains = new Map<string, Rule[]>();
    for (const line of lines) {
      const [, name = "", rest = ""] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
      if (name === "") continue;
      chains.set(name, [...(chains.get(name) ?? []), readRule(line, splitWords(rest))]);
    }
    for (const [, name = ""] of part.matchAll(/^:(\S+) -/gm))
      if (!chains.has(name)) chains.set(name, []);
    return hooks.flatMap((name) => {
      const policy = lines.find((line) => line.startsWith(`:${name} `))?.split(" ")[1];
      if (policy === undefined) return [];
      const rules = chains.get(name) ?? [];
      return [
        {
          origin,
          families,
          table,
          name,
          policy: policy === "DROP" ? "drop" : "accept",
          rules,
          chains,
        },
      ];
    });
  });
}

/** Blanks separate, double quotes hold together: a comment. */
function splitWords(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? "",
  );
}

/** Targets that end a packet's way, or hand it to a program. */
const decisions: Readonly<Record<string, Decision>> = {
  ACCEPT: { to: "accept" },
  DROP: { to: "drop" },
  REJECT: { to: "drop" },
  RETURN: { to: "return" },
  NFQUEUE: { to: "ask" },
  QUEUE: { to: "ask" },
  SYNPROXY: { to: "ask" },
};

/** Targets after which the next rule comes (iptables-extensions(8)). */
const goesOn =
  /^(?:AUDIT|CHECKSUM|CLASSIFY|CONNMARK|CONNSECMARK|CT|DSCP|HL|LED|LOG|MARK|NFLOG|NOTRACK|SECMARK|SET|TCPMSS|TCPOPTSTRIP|TEE|TOS|TRACE|TTL|ULOG)$/;

function readRule(text: string, words: readonly string[]): Rule {
  const conditions: Condition[] = [];
  let decision: Decision | undefined;
  let at = 0;
  while (at < words.length) {
    const isNegated = words[at] === "!";
    if (isNegated) at += 1;
    const option = words[at] ?? "";
    at += 1;
    if (option === "-j" || option === "-g") {
      const target = words[at] ?? "";
      decision =
        decisions[target] ??
        (goesOn.test(target)
          ? undefined
          : { to: option === "-g" ? "goto" : "jump", chain: target });
      // What follows are words for the target.
      break;
    }
    const known = options[option];
    const values = known?.values ?? countValues(words, at);
    const given = words.slice(at, at + values);
    at += values;
    if (known?.test === undefined) {
      if (known === undefined) conditions.push(() => undefined);
      continue;
    }
    const { test } = known;
    conditions.push((packet) => (isNegated ? not(test(packet, given)) : test(packet, given)));
  }
  return { text, conditions, ...(decision === undefined ? {} : { decision }) };
}

/** Of an option that is not known: the words up to the next one. */
function countValues(words: readonly string[], from: number): number {
  const end = words.findIndex((word, index) => index >= from && /^(?:-|!$)/.test(word));
  return (end === -1 ? words.length : end) - from;
}

interface Option {
  readonly values: number;
  /** Absent: it says nothing about the packet. */
  readonly test?: (packet: Packet, values: readonly string[]) => Answer;
}

const isProtocol = (packet: Packet, [name = ""]: readonly string[]): Answer =>
  [packet.protocol, packet.protocol === "tcp" ? "6" : "17", "all", "0"].includes(name);

const isPort = (packet: Packet, [list = ""]: readonly string[]): Answer =>
  list.split(",").some((range) => {
    const [first = "", last = first] = range.split(":");
    return Number(first || 0) <= packet.port && packet.port <= Number(last || 65_535);
  });

const isNew = (_: Packet, [states = ""]: readonly string[]): Answer =>
  states.split(",").includes("NEW");

const options: Readonly<Record<string, Option>> = {
  "-m": { values: 1 },
  "--comment": { values: 1 },
  "-p": { values: 1, test: isProtocol },
  "-i": { values: 1, test: (packet, [name = ""]) => comesInBy(packet, name) },
  "-s": { values: 1, test: (packet, [block = ""]) => isWithin(packet, "source", block) },
  "-d": { values: 1, test: (packet, [block = ""]) => isWithin(packet, "destination", block) },
  "--dport": { values: 1, test: isPort },
  "--dports": { values: 1, test: isPort },
  "--ctstate": { values: 1, test: isNew },
  "--state": { values: 1, test: isNew },
  "--syn": { values: 0, test: (packet) => packet.protocol === "tcp" },
  "--tcp-flags": {
    values: 2,
    test: (packet, [mask = "", set = ""]) => {
      if (packet.protocol !== "tcp") return false;
      const expected = mask === "ALL" || mask.split(",").includes("SYN") ? "SYN" : "NONE";
      return set === expected;
    },
  },
  "--icmp-type": { values: 1, test: () => false },
  "--icmpv6-type": { values: 1, test: () => false },
  // A list of addresses: those who misbehaved, or friends. A stranger is in none.
  "--match-set": {
    values: 2,
    test: (packet, [, ends = ""]) =>
      ends.split(",")[0] === "src" && packet.isStranger ? false : undefined,
  },
  // A limit that lets some through: the first of them is.
  "--limit": { values: 1, test: () => true },
  "--limit-burst": { values: 1 },
  "--dst-type": { values: 1, test: (_, [type]) => type === "LOCAL" },
  "--src-type": { values: 1, test: (_, [type]) => (type === "UNICAST" ? true : undefined) },
  "--pkt-type": { values: 1, test: (_, [type]) => type === "unicast" },
  "--connlimit-above": { values: 1, test: () => false },
  "--connlimit-mask": { values: 1 },
  "--connlimit-saddr": { values: 0 },
  "--hashlimit-above": { values: 1, test: () => false },
  "--hashlimit-upto": { values: 1, test: () => true },
  "--hashlimit-burst": { values: 1 },
  "--hashlimit-mode": { values: 1 },
  "--hashlimit-name": { values: 1 },
  "--hashlimit-htable-expire": { values: 1 },
  "--hashlimit-srcmask": { values: 1 },
};
