import { lookup } from "node:dns/promises";
import type { Listener } from "../facts/system/listeners.ts";
import type { PacketRules } from "../facts/system/packet-rules.ts";
import type { Manifest, Site } from "../manifest/schema.ts";
import { isLoopback } from "../plan/exposure.ts";
import { adviseOnShut, describeVerdict, findShut, listOpenPorts } from "../plan/rivals/rivals.ts";
import type { OpenPort } from "../plan/rivals/rivals.ts";
import { insist, tryQuic, trySite, tryTcp } from "./reach.ts";
import type { Answer } from "./reach.ts";

/** What was found about ports that the manifest says are open. */
export interface OpenProof {
  /** The host is not as the manifest says. */
  readonly differences: readonly string[];
  /** What could not be proved from here, or is worth knowing. */
  readonly notes: readonly string[];
  /** What to do about rules that shut something. */
  readonly next?: string;
}

/** An address that is asked. */
interface TriedAddress {
  readonly address: string;
  readonly family: "ip" | "ip6";
  /** The host itself has it; otherwise something in between translates. */
  readonly isOwn: boolean;
  /** The one by which this machine logs in. */
  readonly isMain: boolean;
}

interface Host {
  readonly manifest: Manifest;
  readonly rules: PacketRules | undefined;
  readonly listeners: readonly Listener[];
}

/**
 * Asks for every port and site that the manifest says is open.
 * @param address where this machine reaches the host directly; absent: only the host's own rules can be read
 */
export async function proveOpen(host: Host, address: string | undefined): Promise<OpenProof> {
  const { manifest, rules } = host;
  const ports = listOpenPorts(manifest);
  const shut =
    rules === undefined ? [] : findShut(ports, rules).filter(({ open }) => !open.isExtra);
  const differences = new Set(
    shut.map(
      ({ open, by }) => `port ${open.port}/${open.protocol} is shut by ${describeVerdict(by)}`,
    ),
  );
  const advice = shut.length === 0 ? {} : { next: adviseOnShut(shut) };
  const notes: string[] = [];
  const tried = ports.filter(
    (open) => open.protocol === "tcp" && !open.isLimited && expects(host, open),
  );
  if (address === undefined) {
    if (tried.length > 0)
      notes.push(
        "the host is behind a jump host: whether its ports answer from outside was not tried",
      );
    return { differences: [...differences], notes, ...advice };
  }
  for (const at of await addressesOf(address, rules)) {
    const found = await Promise.all(tried.map((open) => proveTcp(host, at, open)));
    const isShut = (open: OpenPort): boolean =>
      shut.some((each) => each.family === at.family && each.open.port === open.port);
    for (const each of found) {
      if (each === undefined || isShut(each.open)) continue;
      if (each.isFault) differences.add(each.text);
      else notes.push(each.text);
    }
    const isReached =
      tried.some(({ port }) => port === 443) && !found.some((each) => each?.open.port === 443);
    if (!isReached || !at.isMain) continue;
    const sites = await proveSites(manifest, at);
    for (const difference of sites.differences) differences.add(difference);
    notes.push(...sites.notes, ...(await proveQuic(ports, at)));
  }
  return { differences: [...differences], notes, ...advice };
}

function isSitePort({ manifest }: Host, port: number): boolean {
  return (port === 80 || port === 443) && (manifest.proxy?.sites.length ?? 0) > 0;
}

function isListening({ listeners }: Host, port: number): boolean {
  return listeners.some(
    (each) => each.protocol === "tcp" && each.port === port && !isLoopback(each.address),
  );
}

/** Somebody should answer there: the proxy, or whoever listens. A port may be open for something that comes later. */
function expects(host: Host, { port }: OpenPort): boolean {
  return isSitePort(host, port) || isListening(host, port);
}

/** The address of the login, and one of the other family where the host has one. */
async function addressesOf(
  address: string,
  rules: PacketRules | undefined,
): Promise<TriedAddress[]> {
  const resolved = await lookup(address, { all: true }).catch(() => []);
  const own = rules?.addresses ?? [];
  const main = resolved.find((each) => own.includes(each.address)) ?? resolved[0];
  if (main === undefined) return [];
  const familyOf = (each: string): TriedAddress["family"] => (each.includes(":") ? "ip6" : "ip");
  const isOwn = own.includes(main.address);
  const family = familyOf(main.address);
  const other = own.find((each) => familyOf(each) !== family && isPublic(each));
  return [
    { address: main.address, family, isOwn, isMain: true },
    ...(isOwn && other !== undefined
      ? [{ address: other, family: familyOf(other), isOwn: true, isMain: false }]
      : []),
  ];
}

/** Private nets (RFC 1918, 6598, 4193) and Docker's bridges are not for visitors. */
function isPublic(address: string): boolean {
  return !/^(?:10\.|172\.(?:1[6-9]|2\d|3[01])\.|192\.168\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|169\.254\.|f[cd]|fe80)/i.test(
    address,
  );
}

/** For how long something is asked again that does not answer as it should; sites all at once, however many there are. */
const patienceMs = {
  port: 5_000,
  quic: 2_500,
  /** It comes with the configuration. */
  files: 10_000,
  /** Caddy makes it after it has said that it took the configuration; where that fails once, it tries again a minute later. */
  internal: 90_000,
  /** One attempt: a public authority may take minutes, and needs the name to point here. */
  acme: 0,
} as const;

interface Missing {
  readonly open: OpenPort;
  readonly isFault: boolean;
  readonly text: string;
}

async function proveTcp(
  host: Host,
  at: TriedAddress,
  open: OpenPort,
): Promise<Missing | undefined> {
  const answer = await insist(
    () => tryTcp(at.address, open.port),
    (each) => each === "open" || each === "none",
    patienceMs.port,
  );
  // This machine may have no IPv6, or no IPv4: that says nothing about the host.
  if (answer === "open" || (answer === "none" && !at.isMain)) return undefined;
  const isSite = isSitePort(host, open.port);
  const sites = host.manifest.proxy?.sites.map(({ name }) => name).join(", ") ?? "";
  const what = `port ${open.port}${isSite ? ` (${sites})` : ""} ${words[answer]} at ${at.address}`;
  if (!isListening(host, open.port))
    return { open, isFault: true, text: `${what}: nothing listens there` };
  return {
    open,
    isFault: isSite && at.isOwn && at.isMain,
    text: `${what}: ${at.isOwn ? between : translated}`,
  };
}

const words: Readonly<Record<Exclude<Answer, "open">, string>> = {
  refused: "refuses connections from this machine",
  silent: "does not answer this machine",
  none: "cannot be reached from this machine",
};

const between =
  "a program listens there and no rule on the host that hostkit can read shuts it, so something between here and there does " +
  "(a provider's firewall, a router, this network's own rules): open it there, or name in firewall.allow who may come (from)";
const translated =
  "this address is not one of the host's own, so what translates it (a provider's NAT, a port forwarding) has to pass the port on; " +
  "that could not be proved from here";

/** Every site by its name, some at a time. */
async function proveSites(manifest: Manifest, at: TriedAddress): Promise<OpenProof> {
  const differences: string[] = [];
  const notes: string[] = [];
  const sites = (manifest.proxy?.sites ?? []).filter(
    ({ name }) => !/^[\d.]+$|:/.test(name) || name === at.address,
  );
  const began = performance.now();
  const prove = async ({ name, tls }: Site): Promise<void> => {
    const answer = await insist(
      () => trySite(at.address, name),
      (each) => "status" in each,
      began + patienceMs[tls.kind] - performance.now(),
    );
    if ("trouble" in answer) {
      if (tls.kind !== "acme")
        differences.push(`https://${name} at ${at.address}: ${answer.trouble}`);
    } else if (answer.status >= 500) {
      notes.push(`https://${name}/ answers with status ${answer.status}`);
    }
  };
  const atOnce = 8;
  for (let from = 0; from < sites.length; from += atOnce)
    await Promise.all(sites.slice(from, from + atOnce).map(prove));
  return { differences, notes };
}

async function proveQuic(ports: readonly OpenPort[], at: TriedAddress): Promise<string[]> {
  if (!ports.some(({ isExtra, isLimited }) => isExtra && !isLimited)) return [];
  const answers = await insist(() => tryQuic(at.address), Boolean, patienceMs.quic);
  return answers
    ? []
    : ["HTTP/3 (443/udp) does not answer this machine; browsers then take HTTP/2"];
}
