/** The first packet of somebody from outside, and what one rule or one chain says to it. */
export interface Packet {
  readonly family: "ip" | "ip6";
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** The interface it comes in by may be any of these; empty: not known. */
  readonly interfaces: readonly string[];
  /** Where it goes: the host's own addresses of its family. */
  readonly destinations: readonly string[];
  /** Whether it comes from a source of which nothing is known; false: from one that the manifest names. */
  readonly isStranger: boolean;
}

/** Undefined: it cannot be told. */
export type Answer = boolean | undefined;

type Decision =
  | { readonly to: "accept" | "drop" | "return" | "ask" }
  | { readonly to: "jump" | "goto"; readonly chain: string };

export interface Rule {
  /** As its program writes it. */
  readonly text: string;
  /** Every one must hold. */
  readonly conditions: readonly ((packet: Packet) => Answer)[];
  /** Nothing: it only counts, logs, marks. A function looks it up in a map. */
  readonly decision?: Decision | ((packet: Packet) => Decision | undefined);
}

export type { Decision };

/** A chain that the kernel calls, of one program's table. */
export interface BaseChain {
  /** `iptables`, `nft at boot`, … */
  readonly origin: string;
  readonly families: readonly ("ip" | "ip6")[];
  readonly table: string;
  readonly name: string;
  readonly policy: "accept" | "drop";
  readonly rules: readonly Rule[];
  /** Other chains of the same table, by name. */
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
}

/** Which rule stops the packet for certain. */
export interface Verdict {
  readonly chain: BaseChain;
  readonly rule: string;
}

type Fate = "accept" | "drop" | "through" | "unsure";

interface Walk {
  readonly fate: Fate;
  readonly rule: string;
}

/**
 * What stops the packet for certain: a drop in any chain wins, whatever the others say.
 * @returns one for each chain that stops it; empty where it passes, or where that cannot be told
 */
export function findDrops(chains: readonly BaseChain[], packet: Packet): Verdict[] {
  return chains.flatMap((chain) => {
    if (!chain.families.includes(packet.family)) return [];
    const { fate, rule } = walk(chain.rules, chain, packet, 0);
    if (fate === "drop") return [{ chain, rule }];
    return fate === "through" && chain.policy === "drop" ? [{ chain, rule: "policy drop" }] : [];
  });
}

/** The kernel refuses deeper jumps, and loops (NFT_JUMP_STACK_SIZE). */
const deepest = 16;

function walk(rules: readonly Rule[], chain: BaseChain, packet: Packet, depth: number): Walk {
  let isUnsure = false;
  for (const rule of rules) {
    const holds = all(rule.conditions, packet);
    if (holds === false) continue;
    const decision = typeof rule.decision === "function" ? rule.decision(packet) : rule.decision;
    if (decision === undefined) continue;
    const { fate, rule: by } = follow(decision, rule, chain, packet, depth);
    if (fate === "through" && decision.to === "jump") continue;
    if (holds === undefined || fate === "unsure") {
      isUnsure = true;
      continue;
    }
    return { fate: isUnsure ? "unsure" : fate, rule: by };
  }
  return { fate: isUnsure ? "unsure" : "through", rule: "" };
}

function follow(
  decision: Decision,
  rule: Rule,
  chain: BaseChain,
  packet: Packet,
  depth: number,
): Walk {
  if (decision.to === "accept" || decision.to === "drop")
    return { fate: decision.to, rule: rule.text };
  if (decision.to === "return") return { fate: "through", rule: "" };
  if (decision.to === "ask") return { fate: "unsure", rule: "" };
  const target = "chain" in decision ? chain.chains.get(decision.chain) : undefined;
  if (target === undefined || depth >= deepest) return { fate: "unsure", rule: "" };
  return walk(target, chain, packet, depth + 1);
}

function all(conditions: Rule["conditions"], packet: Packet): Answer {
  let answer: Answer = true;
  for (const condition of conditions) {
    const holds = condition(packet);
    if (holds === false) return false;
    if (holds === undefined) answer = undefined;
  }
  return answer;
}

/** The opposite, where there is one. */
export function not(answer: Answer): Answer {
  return answer === undefined ? undefined : !answer;
}

/** Whether it may have come in by an interface of this name; `+` and `*` at the end stand for anything. */
export function comesInBy(packet: Packet, pattern: string): Answer {
  if (pattern === "lo") return false;
  const fits = (name: string): boolean =>
    /[+*]$/.test(pattern) ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  if (packet.interfaces.length === 0) return undefined;
  const answers = new Set(packet.interfaces.map(fits));
  return answers.size === 1 ? answers.has(true) : undefined;
}

/**
 * Whether an address of the packet is in a block. A stranger's source is in no block that is smaller than the whole net.
 * @param block `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`
 */
export function isWithin(packet: Packet, end: "source" | "destination", block: string): Answer {
  const [address = "", length] = block.split("/");
  if (address.includes(":") !== (packet.family === "ip6")) return false;
  if (length === "0") return true;
  if (end === "source") return packet.isStranger ? false : undefined;
  if (packet.destinations.length === 0) return undefined;
  const bits = packet.family === "ip6" ? 128 : 32;
  const shift = BigInt(bits - Number(length ?? bits));
  const wanted = numberOf(address);
  if (wanted === undefined) return undefined;
  const answers = new Set(
    packet.destinations.map((own) => {
      const value = numberOf(own);
      return value !== undefined && value >> shift === wanted >> shift;
    }),
  );
  return answers.size === 1 ? answers.has(true) : undefined;
}

/** An IP address as a number. */
function numberOf(address: string): bigint | undefined {
  if (!address.includes(":")) {
    const parts = address.split(".").map(Number);
    if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) return undefined;
    return parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  }
  const [head = "", tail] = address.split("::");
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const front = groups(head);
  const back = groups(tail ?? "");
  const gap = tail === undefined ? 0 : 8 - front.length - back.length;
  const parts = [...front, ...Array.from({ length: Math.max(gap, 0) }, () => "0"), ...back];
  if (parts.length !== 8 || parts.some((part) => !/^[0-9a-f]{1,4}$/i.test(part))) return undefined;
  return parts.reduce((sum, part) => sum * 65_536n + BigInt(`0x${part}`), 0n);
}
