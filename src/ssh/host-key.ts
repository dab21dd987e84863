import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { HostkitError } from "../errors.ts";
import type { ConnectOptions } from "./destination.ts";
import type { Hop } from "./hop.ts";
import {
  fingerprintKey,
  hasCertificateAuthority,
  hashKnownHost,
  judgeHostKey,
  type KnownHost,
  knownHostName,
  listKnownKeyTypes,
  parseKnownHosts,
  readKeyType,
} from "./known-hosts.ts";
import { quoteWord } from "../shell/quote.ts";

/** Signature algorithms hostkit accepts from a host, in OpenSSH's order of preference; ssh-rsa (SHA-1) is not one. */
const hostKeyAlgorithms = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
] as const;

type HostKeyAlgorithm = (typeof hostKeyAlgorithms)[number];

export interface HostKeyCheck {
  /** What to ask the host for: the types known for it come first, so that a known host is recognised. */
  readonly algorithms: HostKeyAlgorithm[];
  /**
   * Returns when the key may be trusted.
   * @param key wire format
   * @throws HostkitError host_key_unknown, host_key_changed
   */
  verify(key: Buffer): Promise<void>;
}

/** Prepares the check of a hop's host key against the pin, or else against known_hosts. */
export function prepareHostKeyCheck(hop: Hop, options: ConnectOptions): HostKeyCheck {
  const trusted = new Set<string>();
  const once = (check: (key: Buffer) => Promise<void>) => async (key: Buffer) => {
    // A rekey shows the same key again; a different one is judged afresh.
    if (trusted.has(key.toString("base64"))) return;
    await check(key);
    trusted.add(key.toString("base64"));
  };
  if (hop.pinnedKeys.length > 0) {
    const pins = hop.pinnedKeys.map((text) => parsePin(hop, text));
    const types = pins.flatMap(({ type }) => type ?? []);
    // A fingerprint does not tell its key's type: then any may be shown, the types that are known first.
    const { exact, ordered } = preferTypes(types);
    return {
      algorithms: types.length === pins.length ? exact : ordered,
      verify: once((key) => verifyPins(hop, pins, key)),
    };
  }
  const name = hop.hostKeyAlias ?? hop.address;
  // ssh(1) writes and looks up a HostKeyAlias without the port.
  const port = hop.hostKeyAlias === undefined ? hop.port : 22;
  const entries = [...hop.userKnownHosts, ...hop.systemKnownHosts].flatMap(readKnownHosts);
  if (hasCertificateAuthority(entries, name, port)) {
    options.log?.(
      `known_hosts has a @cert-authority line for ${name}; hostkit checks plain host keys only`,
    );
  }
  return {
    algorithms: preferTypes(listKnownKeyTypes(entries, name, port)).ordered,
    verify: once(async (key) => {
      const verdict = judgeHostKey(entries, name, port, key);
      if (verdict.kind === "known") return;
      if (verdict.kind === "changed") throw changedKey(hop, name, port, key, verdict.entries);
      if (verdict.kind === "revoked") throw revokedKey(hop, key, verdict.entry);
      await decideUnknown(hop, name, port, key, verdict.others, options);
    }),
  };
}

function preferTypes(types: readonly string[]): {
  ordered: HostKeyAlgorithm[];
  exact: HostKeyAlgorithm[];
} {
  const isWanted = (algorithm: HostKeyAlgorithm): boolean =>
    types.includes(algorithm) || (algorithm.startsWith("rsa-") && types.includes("ssh-rsa"));
  const exact = hostKeyAlgorithms.filter(isWanted);
  return {
    exact,
    ordered: [...exact, ...hostKeyAlgorithms.filter((algorithm) => !isWanted(algorithm))],
  };
}

function readKnownHosts(file: string): KnownHost[] {
  try {
    return parseKnownHosts(readFileSync(file, "utf8"), file);
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      (error.code === "ENOENT" || error.code === "ENOTDIR")
    )
      return [];
    // A file that is there but cannot be read may hold the very key that has changed.
    throw new HostkitError("host_key_unknown", {
      what: `cannot read ${file}`,
      why: error instanceof Error ? error.message : String(error),
    });
  }
}

interface Pin {
  readonly type?: string;
  readonly fingerprint: string;
}

function parsePin(hop: Hop, text: string): Pin {
  if (/^SHA256:[A-Za-z0-9+/]{43}=?$/.test(text)) return { fingerprint: text.replace(/=$/, "") };
  const [type, base64] = text.split(/\s+/);
  const key = Buffer.from(base64 ?? "", "base64");
  const isUsable =
    type !== undefined && readKeyType(key) === type && preferTypes([type]).exact.length > 0;
  if (isUsable) return { type, fingerprint: fingerprintKey(key) };
  throw new HostkitError("manifest_invalid", {
    what: `the pinned host key of ${hop.name} is no host key`,
    why: "it must be a line of a .pub file (ssh-ed25519, ecdsa-sha2-nistp256/384/521 or ssh-rsa) or SHA256:…",
    next: `print it on the host: cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub`,
  });
}

function verifyPins(hop: Hop, pins: readonly Pin[], key: Buffer): Promise<void> {
  const given = fingerprintKey(key);
  if (pins.some(({ fingerprint }) => fingerprint === given)) return Promise.resolve();
  return Promise.reject(
    new HostkitError("host_key_changed", {
      what: `${hop.name} does not show the host key that is pinned for it`,
      where: `${hop.address}:${hop.port}`,
      why: "the host was installed anew, or someone sits in between",
      details: [
        ...pins.map(({ fingerprint }) => `pinned:  ${fingerprint}`),
        `offered: ${given} (${readKeyType(key)})`,
      ],
      next: "compare the offered fingerprint on the host's console before you change the pin",
    }),
  );
}

async function decideUnknown(
  hop: Hop,
  name: string,
  port: number,
  key: Buffer,
  others: readonly KnownHost[],
  options: ConnectOptions,
): Promise<void> {
  const type = readKeyType(key);
  const known = others.map(
    (entry) => `known by another key type: ${entry.type} at ${entry.file}:${entry.line}`,
  );
  const refusal = (why: string): HostkitError =>
    new HostkitError("host_key_unknown", {
      what: `the host key of ${hop.name} is not known`,
      where: `${hop.address}:${hop.port}`,
      why,
      details: [`${type} ${fingerprintKey(key)}`, ...known],
      next: [
        "compare the fingerprint with the host's own: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub;",
        `then pin it in the manifest (host_key: "${type} ${key.toString("base64")}")`,
        `or keep it: ${keyscanCommand(hop)}`,
      ].join(" "),
    });
  const { memory } = options.prompt;
  const nameInMemory = `host key ${knownHostName(name, port)}`;
  if (memory?.get(nameInMemory) === key.toString("base64")) return;
  // A key of another type is how a known key would be got round: never taken without a person.
  const mayAccept = hop.unknownKeys === "accept" && others.length === 0;
  if (!mayAccept) {
    if (hop.unknownKeys === "refuse") throw refusal("StrictHostKeyChecking is yes");
    if (!options.prompt.isInteractive) throw refusal("there is no terminal to ask on");
    const question = renderQuestion(hop, key, known);
    if (!(await options.prompt.confirm(question))) throw refusal("you did not trust it");
  }
  memory?.set(nameInMemory, key.toString("base64"));
  remember(hop, name, port, type, key, options);
}

/** @param known how the host is known by keys of other types, a line each */
function renderQuestion(hop: Hop, key: Buffer, known: readonly string[]): string {
  return [
    `The host ${hop.name} (${hop.address}:${hop.port}) ${known.length > 0 ? "shows another key than before" : "has never been seen before"}.`,
    ...known.map((line) => `It is ${line}.`),
    `Its ${readKeyType(key)} key has the fingerprint`,
    fingerprintKey(key),
    "Trust this key from now on?",
  ].join("\n");
}

function remember(
  hop: Hop,
  name: string,
  port: number,
  type: string,
  key: Buffer,
  options: ConnectOptions,
): void {
  const [file] = hop.userKnownHosts;
  if (file === undefined) return;
  const plain = knownHostName(name, port);
  const host = hop.hashKnownHosts ? hashKnownHost(plain, randomBytes(20)) : plain;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const isOpenLine = (() => {
      try {
        return /[^\n]$/.test(readFileSync(file, "utf8"));
      } catch {
        return false;
      }
    })();
    appendFileSync(file, `${isOpenLine ? "\n" : ""}${host} ${type} ${key.toString("base64")}\n`, {
      mode: 0o600,
    });
    options.log?.(`the ${type} key of ${plain} is now in ${file} (${fingerprintKey(key)})`);
  } catch (error) {
    options.log?.(
      `cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function changedKey(
  hop: Hop,
  name: string,
  port: number,
  key: Buffer,
  entries: readonly KnownHost[],
): HostkitError {
  return new HostkitError("host_key_changed", {
    what: "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED",
    where: `${hop.name} (${hop.address}:${hop.port})`,
    why: "someone may be listening in the middle of the connection right now, or the host was installed anew",
    details: [
      `offered: ${readKeyType(key)} ${fingerprintKey(key)}`,
      ...entries.map(
        (entry) =>
          `known:   ${entry.type} ${fingerprintKey(entry.key)} at ${entry.file}:${entry.line}`,
      ),
    ],
    next: `only if you know why it changed: ssh-keygen -f ${quoteWord(entries[0]?.file ?? "")} -R ${quoteWord(knownHostName(name, port))}`,
  });
}

function revokedKey(hop: Hop, key: Buffer, entry: KnownHost): HostkitError {
  return new HostkitError("host_key_changed", {
    what: `the host key of ${hop.name} is marked as revoked`,
    where: `${hop.address}:${hop.port}`,
    why: `${entry.file}:${entry.line} revokes ${fingerprintKey(key)}: the key may be in wrong hands`,
    next: "give the host a new key on its console, then remove its old entries from known_hosts",
  });
}

function keyscanCommand(hop: Hop): string {
  const port = hop.port === 22 ? "" : `-p ${hop.port} `;
  return `ssh-keyscan ${port}${quoteWord(hop.address)} >> ${quoteWord(hop.userKnownHosts[0] ?? "~/.ssh/known_hosts")}`;
}
