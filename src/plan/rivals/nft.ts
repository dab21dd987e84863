import type { Listing } from "../../facts/system/packet-rules.ts";
import { comesInBy, isWithin, not } from "./packet.ts";
import type { Answer, BaseChain, Decision, Packet, Rule } from "./packet.ts";

// libnftables-json(5): what `nft -j list ruleset` prints. Anything else than expected means that it cannot be told.
type Json = unknown;
type JsonMap = Readonly<Record<string, Json>>;

const isMap = (value: Json): value is JsonMap =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a packet for the host itself comes by. */
const hooks = new Set(["ingress", "prerouting", "input"]);

const familiesOf: Readonly<Record<string, readonly ("ip" | "ip6")[]>> = {
  ip: ["ip"],
  ip6: ["ip6"],
  inet: ["ip", "ip6"],
  netdev: ["ip", "ip6"],
};

/**
 * Chains that a new packet for the host meets.
 * @param skips tables that somebody else reads better, or that are hostkit's own: `inet hostkit`
 */
export function readNft({ origin, text }: Listing, skips: (table: string) => boolean): BaseChain[] {
  const objects = parseObjects(text);
  const rules = readRules(objects);
  return objects.flatMap(({ chain }): BaseChain[] => {
    if (!isMap(chain) || !hooks.has(String(chain["hook"]))) return [];
    const family = String(chain["family"]);
    const table = `${family} ${String(chain["table"])}`;
    if (chain["type"] === "nat" || skips(table)) return [];
    const chains = new Map(
      objects.flatMap(({ chain: other }) =>
        isMap(other) && other["table"] === chain["table"] && other["family"] === family
          ? [[String(other["name"]), rules.get(keyOf(other, other["name"])) ?? []] as const]
          : [],
      ),
    );
    return [
      {
        origin,
        families: familiesOf[family] ?? [],
        table,
        name: String(chain["name"]),
        policy: chain["policy"] === "drop" ? "drop" : "accept",
        rules: chains.get(String(chain["name"])) ?? [],
        chains,
      },
    ];
  });
}

/** The rules of every chain, each with what its sets hold. */
function readRules(objects: ReturnType<typeof parseObjects>): Map<string, Rule[]> {
  const rules = new Map<string, Rule[]>();
  const sets = new Map<string, Json>();
  for (const object of objects) {
    for (const kind of ["set", "map"] as const) {
      const entry = object[kind];
      if (isMap(entry)) sets.set(keyOf(entry, entry["name"]), entry["elem"] ?? []);
    }
  }
  for (const { rule } of objects) {
    if (!isMap(rule)) continue;
    const key = keyOf(rule, rule["chain"]);
    const read = readRule(rule, (name) => sets.get(keyOf(rule, name)));
    rules.set(key, [...(rules.get(key) ?? []), read]);
  }
  return rules;
}

/** Names are unique within their table. */
function keyOf(entry: JsonMap, name: Json): string {
  return JSON.stringify([entry["family"], entry["table"], name]);
}

function parseObjects(text: string): JsonMap[] {
  try {
    const value: Json = JSON.parse(text);
    const list = isMap(value) ? value["nftables"] : undefined;
    return Array.isArray(list) ? list.filter(isMap) : [];
  } catch {
    return [];
  }
}

type Sets = (name: string) => Json;

function readRule(rule: JsonMap, sets: Sets): Rule {
  const statements = Array.isArray(rule["expr"]) ? rule["expr"].filter(isMap) : [];
  const conditions: Rule["conditions"][number][] = [];
  let decision: Rule["decision"];
  for (const statement of statements) {
    const [name = "", value] = Object.entries(statement)[0] ?? [];
    if (name === "match" && isMap(value)) conditions.push((packet) => matches(value, packet, sets));
    else if (name === "vmap" && isMap(value)) decision = (packet) => lookUp(value, packet, sets);
    else if (name === "limit") conditions.push(() => !(isMap(value) && value["inv"] === true));
    else if (name === "ct count") conditions.push(() => !(isMap(value) && value["inv"] === true));
    else if (!goesOn.has(name)) {
      decision = decide(statement);
      if (decision === undefined) conditions.push(() => undefined);
    }
  }
  return {
    text: writeRule(rule, statements),
    conditions,
    ...(decision === undefined ? {} : { decision }),
  };
}

/** Statements after which the rule goes on. */
const goesOn = new Set(
  "counter log set map mangle notrack tproxy dup flow last secmark quota ct helper".split(" "),
)
  .add("ct helper")
  .add("ct timeout")
  .add("ct expectation");

function decide(statement: JsonMap): Decision | undefined {
  if ("accept" in statement) return { to: "accept" };
  if ("drop" in statement || "reject" in statement) return { to: "drop" };
  if ("return" in statement) return { to: "return" };
  if ("continue" in statement) return undefined;
  if ("queue" in statement || "synproxy" in statement) return { to: "ask" };
  for (const to of ["jump", "goto"] as const) {
    const target = statement[to];
    if (isMap(target)) return { to, chain: String(target["target"]) };
  }
  return undefined;
}

function lookUp(vmap: JsonMap, packet: Packet, sets: Sets): Decision | undefined {
  for (const entry of elementsOf(vmap["data"], sets) ?? []) {
    if (!Array.isArray(entry)) return { to: "ask" };
    const [key, verdict] = entry as Json[];
    const holds = equals(vmap["key"], key, packet, sets);
    if (holds === undefined) return { to: "ask" };
    if (holds) return isMap(verdict) ? decide(verdict) : { to: "ask" };
  }
  return undefined;
}

function matches(match: JsonMap, packet: Packet, sets: Sets): Answer {
  const { op, left, right } = match;
  if (op === "==" || op === "in") return equals(left, right, packet, sets);
  if (op === "!=") {
    // A rule about another protocol does not hold either way.
    if (isForeign(left, packet)) return false;
    return not(equals(left, right, packet, sets));
  }
  const value = numericOf(left, packet);
  if (value === undefined || typeof right !== "number")
    return isForeign(left, packet) ? false : undefined;
  if (op === "<") return value < right;
  if (op === ">") return value > right;
  if (op === "<=") return value <= right;
  return op === ">=" ? value >= right : undefined;
}

/** A field of a protocol that the packet does not have. */
function isForeign(left: Json, packet: Packet): boolean {
  const inner = isMap(left) && Array.isArray(left["&"]) ? (left["&"] as Json[])[0] : left;
  const payload = isMap(inner) ? inner["payload"] : undefined;
  if (!isMap(payload)) return false;
  const protocol = String(payload["protocol"]);
  if (["ip", "ip6"].includes(protocol)) return protocol !== packet.family;
  if (protocol === "ether" || protocol === "th") return false;
  return protocol !== packet.protocol;
}

function numericOf(left: Json, packet: Packet): number | undefined {
  const payload = isMap(left) ? left["payload"] : undefined;
  if (!isMap(payload) || isForeign(left, packet)) return undefined;
  return payload["field"] === "dport" ? packet.port : undefined;
}

/** Whether what stands left has one of the values at the right. */
function equals(left: Json, right: Json, packet: Packet, sets: Sets): Answer {
  if (isForeign(left, packet)) return false;
  const elements = elementsOf(right, sets);
  if (elements !== undefined) {
    const answers = elements.map((each) => equals(left, unwrap(each), packet, sets));
    return answers.includes(true) ? true : answers.includes(undefined) ? undefined : false;
  }
  if (typeof right === "string" && right.startsWith("@")) return undefined;
  if (!isMap(left)) return undefined;
  if (Array.isArray(left["concat"])) return equalsAll(left["concat"], right, packet, sets);
  const { payload, meta, ct, fib } = left;
  if (isMap(payload)) return equalsField(String(payload["field"]), right, packet);
  if (isMap(meta)) return equalsMeta(String(meta["key"]), right, packet);
  if (isMap(ct)) return ct["key"] === "state" ? right === "new" : undefined;
  if (isMap(fib)) return equalsFib(fib, right);
  if (Array.isArray(left["&"])) return equalsFlags(left["&"] as Json[], right, packet);
  return undefined;
}

/** A fresh connection's first TCP packet has one flag: SYN. */
function equalsFlags([field, mask]: readonly Json[], right: Json, packet: Packet): Answer {
  const payload = isMap(field) ? field["payload"] : undefined;
  if (!isMap(payload) || payload["field"] !== "flags" || packet.protocol !== "tcp")
    return undefined;
  const namesOf = (value: Json): Json[] =>
    isMap(value) && Array.isArray(value["|"])
      ? value["|"].flatMap(namesOf)
      : Array.isArray(value)
        ? value.flatMap(namesOf)
        : [value];
  const seen = namesOf(mask).includes("syn") ? ["syn"] : [0];
  return JSON.stringify(namesOf(right)) === JSON.stringify(seen);
}

/** Every part of a concatenation. */
function equalsAll(left: readonly Json[], right: Json, packet: Packet, sets: Sets): Answer {
  const parts = isMap(right) ? right["concat"] : undefined;
  if (!Array.isArray(parts)) return undefined;
  const answers = left.map((each, index) => equals(each, parts[index], packet, sets));
  return answers.includes(false) ? false : answers.includes(undefined) ? undefined : true;
}

function equalsField(field: string, right: Json, packet: Packet): Answer {
  if (field === "dport") return inRange(packet.port, right);
  if (field === "saddr") return isInBlock(packet, "source", right);
  if (field === "daddr") return isInBlock(packet, "destination", right);
  if (field === "protocol" || field === "nexthdr") return isProtocol(packet, right);
  return undefined;
}

function equalsMeta(key: string, right: Json, packet: Packet): Answer {
  if (key === "iifname" || key === "iif") return comesInBy(packet, String(right));
  if (key === "l4proto") return isProtocol(packet, right);
  if (key === "nfproto")
    return packet.family === "ip"
      ? [2, "ipv4"].includes(right as never)
      : [10, "ipv6"].includes(right as never);
  if (key === "protocol") return packet.family === "ip" ? right === "ip" : right === "ip6";
  if (key === "pkttype") return right === "host" || right === "unicast";
  return undefined;
}

/** `fib daddr type local` is what comes to the host itself; the reverse path of a visitor is there. */
function equalsFib({ result, flags }: JsonMap, right: Json): Answer {
  if (result === "type" && JSON.stringify(flags).includes("daddr")) return right === "local";
  if (result === "oif" && JSON.stringify(flags).includes("saddr"))
    return right === false || right === 0 ? false : right === true ? true : undefined;
  return undefined;
}

function isProtocol(packet: Packet, right: Json): Answer {
  return [packet.protocol, packet.protocol === "tcp" ? 6 : 17].includes(right as never);
}

/** A port is a number or the name of a service, which nft turns into a number unless it is asked for names. */
function inRange(port: number, right: Json): Answer {
  if (typeof right === "number") return port === right;
  const range = isMap(right) ? right["range"] : undefined;
  if (!Array.isArray(range)) return undefined;
  const [first, last] = range as Json[];
  return typeof first === "number" && typeof last === "number"
    ? first <= port && port <= last
    : undefined;
}

function isInBlock(packet: Packet, end: "source" | "destination", right: Json): Answer {
  if (typeof right === "string") return isWithin(packet, end, right);
  const prefix = isMap(right) ? right["prefix"] : undefined;
  if (isMap(prefix))
    return isWithin(packet, end, `${String(prefix["addr"])}/${String(prefix["len"])}`);
  // A range of addresses: a stranger is not in it.
  if (isMap(right) && "range" in right && end === "source" && packet.isStranger) return false;
  return undefined;
}

/** Of a set, a list or a set by name; undefined for anything else. */
function elementsOf(value: Json, sets: Sets): readonly Json[] | undefined {
  if (Array.isArray(value)) return value as Json[];
  if (typeof value === "string" && value.startsWith("@")) {
    const named = sets(value.slice(1));
    return Array.isArray(named) ? (named as Json[]) : undefined;
  }
  const inner = isMap(value) ? value["set"] : undefined;
  if (inner === undefined) return undefined;
  return Array.isArray(inner) ? (inner as Json[]) : [inner];
}

/** An element that carries a time limit or a comment. */
function unwrap(element: Json): Json {
  const inner = isMap(element) ? element["elem"] : undefined;
  return isMap(inner) ? inner["val"] : element;
}

/** Short enough for a message: the rule's comment, or what it decides. */
function writeRule(rule: JsonMap, statements: readonly JsonMap[]): string {
  const verdict = statements.findLast((each) => decide(each) !== undefined);
  const word = verdict === undefined ? "a verdict map" : (Object.keys(verdict)[0] ?? "");
  const comment = rule["comment"];
  return `rule ${String(rule["handle"])} (${word}${typeof comment === "string" ? `, "${comment}"` : ""})`;
}
