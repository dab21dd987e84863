import { readFile } from "node:fs/promises";
import type { BaseAgent, ParsedKey, SignCallback, SigningRequestOptions } from "ssh2";
import type { ConnectOptions } from "./destination.ts";
import type { Hop } from "./hop.ts";
import { fingerprintKey } from "./known-hosts.ts";

type Ssh2 = typeof import("ssh2");

/** What is known about the keys of one login afterwards; for the error text. */
export interface KeyTrail {
  /** `~/.ssh/id_ed25519 (SHA256:…)`, in the order they were offered. */
  readonly offered: string[];
  /** Files that could not be used and why. */
  readonly unusable: string[];
  /** Files that would have been accepted but stayed locked. */
  readonly locked: string[];
}

interface Candidate {
  readonly label: string;
  readonly publicKey: ParsedKey;
  sign(data: Buffer, hash: string | undefined): Promise<Buffer>;
}

/**
 * Everything a login may sign with, as one agent: keys of the agent and key files, in OpenSSH's order (first the named
 * files, those the agent holds before the others; then the agent's remaining keys). A file's passphrase is asked for only when
 * the host has accepted its public half.
 */
export async function gatherIdentities(
  ssh2: Ssh2,
  hop: Hop,
  options: ConnectOptions,
): Promise<{ agent: BaseAgent<ParsedKey>; trail: KeyTrail; count: number }> {
  const trail: KeyTrail = { offered: [], unusable: [], locked: [] };
  const agentKeys = await readAgentKeys(ssh2, hop, options);
  const files: Candidate[] = [];
  for (const { path, explicit } of hop.identities) {
    const candidate = await readKeyFile(ssh2, path, explicit, agentKeys, trail, options);
    if (candidate !== undefined) files.push(candidate);
  }
  const ofFile = (key: Candidate): boolean =>
    files.some((file) => isSameKey(file.publicKey, key.publicKey));
  const explicit = hop.identities.some((identity) => identity.explicit);
  const rest = hop.identitiesOnly ? [] : agentKeys.filter((key) => !ofFile(key));
  const held = files.filter((file) =>
    agentKeys.some((key) => isSameKey(file.publicKey, key.publicKey)),
  );
  const bare = files.filter((file) => !held.includes(file));
  // ssh(1) tries the agent's keys before key files, and those that were named before all others.
  const ordered = explicit ? [...held, ...bare, ...rest] : [...held, ...rest, ...bare];
  return { agent: buildAgent(ssh2, ordered, trail), trail, count: ordered.length };
}

function buildAgent(
  ssh2: Ssh2,
  candidates: readonly Candidate[],
  trail: KeyTrail,
): BaseAgent<ParsedKey> {
  const find = (key: ParsedKey | Buffer | string): Candidate | undefined =>
    candidates.find((candidate) => isSameKey(candidate.publicKey, key));
  class Identities extends ssh2.BaseAgent<ParsedKey> {
    override getIdentities(callback: (error: Error | undefined, keys?: ParsedKey[]) => void): void {
      trail.offered.push(...candidates.map((candidate) => candidate.label));
      callback(
        undefined,
        candidates.map((candidate) => candidate.publicKey),
      );
    }
    override sign(
      key: ParsedKey,
      data: Buffer,
      third: SigningRequestOptions | SignCallback,
      fourth?: SignCallback,
    ): void {
      const callback = typeof third === "function" ? third : fourth;
      const hash = typeof third === "function" ? undefined : third.hash;
      const candidate = find(key);
      if (candidate === undefined)
        return callback?.(new Error("the key is not one of those offered"));
      candidate.sign(data, hash).then(
        (signature) => callback?.(null, signature),
        (error: unknown) => callback?.(error instanceof Error ? error : new Error(String(error))),
      );
    }
  }
  return new Identities();
}

function isSameKey(a: ParsedKey, b: ParsedKey | Buffer | string): boolean {
  if (typeof b === "string") return false;
  return a.getPublicSSH().equals(Buffer.isBuffer(b) ? b : b.getPublicSSH());
}

async function readAgentKeys(ssh2: Ssh2, hop: Hop, options: ConnectOptions): Promise<Candidate[]> {
  const socket = hop.agent;
  if (socket === undefined) return [];
  const agent = new ssh2.OpenSSHAgent(socket);
  const keys = await new Promise<ParsedKey[]>((resolve) => {
    agent.getIdentities((error, found) => {
      if (error) options.log?.(`the SSH agent at ${socket} does not answer: ${error.message}`);
      resolve(
        (found ?? []).filter(
          (key): key is ParsedKey => typeof key === "object" && "getPublicSSH" in key,
        ),
      );
    });
  });
  return keys.map((publicKey) => ({
    label: `agent: ${publicKey.comment || publicKey.type} (${fingerprintKey(publicKey.getPublicSSH())})`,
    publicKey,
    sign: (data, hash) =>
      new Promise((resolve, reject) => {
        agent.sign(
          publicKey,
          data,
          hash === undefined ? {} : ({ hash } as SigningRequestOptions),
          (error, signature) => {
            if (error || signature === undefined)
              reject(new Error(`the SSH agent refused to sign: ${error?.message ?? ""}`));
            else resolve(signature);
          },
        );
      }),
  }));
}

async function readKeyFile(
  ssh2: Ssh2,
  path: string,
  explicit: boolean,
  agentKeys: readonly Candidate[],
  trail: KeyTrail,
  options: ConnectOptions,
): Promise<Candidate | undefined> {
  const unusable = (why: string): undefined => {
    trail.unusable.push(`${path}: ${why}`);
    return undefined;
  };
  const [text, publicText] = await Promise.all([readText(path), readText(`${path}.pub`)]);
  if (text instanceof Error) {
    // A named .pub alone is how a key that lives in the agent is chosen.
    const chosen = publicText instanceof Error ? undefined : parsePublic(ssh2, publicText);
    const held = chosen && agentKeys.find((key) => isSameKey(chosen, key.publicKey));
    if (held !== undefined) return held;
    return explicit || !isMissing(text)
      ? unusable(isMissing(text) ? "no such file" : text.message)
      : undefined;
  }
  const opened = parseOne(ssh2, text);
  if (opened instanceof Error) {
    if (!/encrypted/i.test(opened.message)) return unusable(describeParseError(text, opened));
    const publicKey =
      readEmbeddedPublic(ssh2, text) ??
      (publicText instanceof Error ? undefined : parsePublic(ssh2, publicText));
    if (publicKey === undefined) return unusable(`it is encrypted and ${path}.pub is missing`);
    const held = agentKeys.find((key) => isSameKey(publicKey, key.publicKey));
    if (held !== undefined) return held;
    return {
      label: `${path} (${fingerprintKey(publicKey.getPublicSSH())}, encrypted)`,
      publicKey,
      sign: async (data, hash) =>
        signWith(await unlock(ssh2, path, text, trail, options), data, hash),
    };
  }
  const held = agentKeys.find((key) => isSameKey(opened, key.publicKey));
  if (held !== undefined) return held;
  if (!opened.isPrivateKey())
    return unusable("it holds a public key, and the agent does not have its private half");
  const label = `${path} (${fingerprintKey(opened.getPublicSSH())})`;
  return {
    label,
    publicKey: opened,
    sign: (data, hash) => Promise.resolve(signWith(opened, data, hash)),
  };
}

async function unlock(
  ssh2: Ssh2,
  path: string,
  text: string,
  trail: KeyTrail,
  options: ConnectOptions,
): Promise<ParsedKey> {
  const { memory } = options.prompt;
  const remembered = memory?.get(`passphrase ${path}`);
  if (remembered !== undefined) {
    const key = parseOne(ssh2, text, remembered);
    if (!(key instanceof Error)) return key;
  }
  if (!options.prompt.isInteractive) {
    trail.locked.push(path);
    throw new Error(`${path} is encrypted and there is no terminal to ask for its passphrase`);
  }
  for (let attempt = 0; attempt < 3; attempt++) {
    const again = attempt === 0 ? "" : "That was not it. ";
    const passphrase = await options.prompt.secret(`${again}Passphrase for ${path}:`);
    if (passphrase === "") break;
    const key = parseOne(ssh2, text, passphrase);
    if (!(key instanceof Error)) {
      memory?.set(`passphrase ${path}`, passphrase);
      return key;
    }
  }
  trail.locked.push(path);
  throw new Error(`${path} stayed locked: wrong passphrase`);
}

function signWith(key: ParsedKey, data: Buffer, hash: string | undefined): Buffer {
  const signature = key.sign(data, hash);
  if (signature instanceof Error) throw signature;
  return signature;
}

async function readText(path: string): Promise<string | Error> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function isMissing(error: Error): boolean {
  return "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

function parseOne(ssh2: Ssh2, text: string, passphrase?: string): ParsedKey | Error {
  const parsed: ParsedKey | ParsedKey[] | Error = ssh2.utils.parseKey(text, passphrase);
  return Array.isArray(parsed) ? (parsed[0] ?? new Error("it holds no key")) : parsed;
}

function parsePublic(ssh2: Ssh2, text: string): ParsedKey | undefined {
  const key = parseOne(ssh2, text);
  return key instanceof Error ? undefined : key;
}

/** The public half stands unencrypted in the OpenSSH format (PROTOCOL.key, section 1). */
function readEmbeddedPublic(ssh2: Ssh2, text: string): ParsedKey | undefined {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]+)-----END/.exec(text)?.[1];
  if (body === undefined) return undefined;
  const data = Buffer.from(body, "base64");
  const magic = "openssh-key-v1\0";
  if (data.toString("latin1", 0, magic.length) !== magic) return undefined;
  try {
    let offset = magic.length;
    for (let skipped = 0; skipped < 3; skipped++) offset += 4 + data.readUInt32BE(offset); // cipher, kdf, kdf options
    offset += 4; // number of keys
    const blob = data.subarray(offset + 4, offset + 4 + data.readUInt32BE(offset));
    const type = blob.toString("latin1", 4, 4 + blob.readUInt32BE(0));
    return parsePublic(ssh2, `${type} ${blob.toString("base64")}`);
  } catch {
    return undefined;
  }
}

function describeParseError(text: string, error: Error): string {
  if (/BEGIN PRIVATE KEY/.test(text))
    return "PKCS#8 is not read; convert it with: ssh-keygen -p -f FILE";
  if (/sk-(ssh|ecdsa)/.test(text)) return "keys on a hardware token are not supported";
  return error.message;
}
