import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { matchHostList } from "./host-pattern.ts";

/** One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
export interface KnownHost {
  readonly marker?: "revoked" | "cert-authority";
  /** Comma-separated patterns, or one hashed name `|1|salt|hash`. */
  readonly hosts: string;
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, … */
  readonly type: string;
  readonly key: Buffer;
  readonly file: string;
  readonly line: number;
}

/** What the known hosts say about a key that a host offers. */
export type HostKeyVerdict =
  | { readonly kind: "known" }
  /** `others`: this host's entries of other key types, empty for a host never seen. */
  | { readonly kind: "unknown"; readonly others: readonly KnownHost[] }
  | { readonly kind: "changed"; readonly entries: readonly KnownHost[] }
  | { readonly kind: "revoked"; readonly entry: KnownHost };

/** Reads a known_hosts file. Lines that are no entry are skipped, as OpenSSH does. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  const entries: KnownHost[] = [];
  text.split("\n").forEach((raw, index) => {
    const fields = raw.trim().split(/\s+/);
    const marker =
      fields[0] === "@revoked"
        ? "revoked"
        : fields[0] === "@cert-authority"
          ? "cert-authority"
          : undefined;
    if (fields[0]?.startsWith("@") && marker === undefined) return;
    const [hosts, type, base64] = marker === undefined ? fields : fields.slice(1);
    if (!hosts || hosts.startsWith("#") || !type || !base64) return;
    const key = Buffer.from(base64, "base64");
    if (readKeyType(key) !== type) return;
    entries.push({ ...(marker && { marker }), hosts, type, key, file, line: index + 1 });
  });
  return entries;
}

/** The name under which a host stands in known_hosts: lower case, and `[name]:port` off port 22. */
export function knownHostName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** True when an entry speaks about this name (as `knownHostName` gives it). */
export function matchesKnownHost(entry: KnownHost, name: string): boolean {
  if (!entry.hosts.startsWith("|")) return matchHostList(entry.hosts.split(","), name);
  const [, version, salt, hash] = entry.hosts.split("|");
  if (version !== "1" || !salt || !hash) return false;
  const wanted = Buffer.from(hash, "base64");
  const given = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest();
  return wanted.length === given.length && timingSafeEqual(wanted, given);
}

/** A hashed name, as `HashKnownHosts yes` writes it. @param salt 20 random bytes */
export function hashKnownHost(name: string, salt: Uint8Array): string {
  const hash = createHmac("sha1", salt).update(name).digest("base64");
  return `|1|${Buffer.from(salt).toString("base64")}|${hash}`;
}

/** Judges an offered key (wire format) for a host. */
export function judgeHostKey(
  entries: readonly KnownHost[],
  host: string,
  port: number,
  offered: Uint8Array,
): HostKeyVerdict {
  const name = knownHostName(host, port);
  const type = readKeyType(offered);
  const mine = entries.filter(
    (entry) => entry.marker !== "cert-authority" && matchesKnownHost(entry, name),
  );
  const isOffered = (entry: KnownHost): boolean => entry.key.equals(offered);
  const revoked = mine.find((entry) => entry.marker === "revoked" && isOffered(entry));
  if (revoked !== undefined) return { kind: "revoked", entry: revoked };
  const valid = mine.filter((entry) => entry.marker === undefined);
  if (valid.some(isOffered)) return { kind: "known" };
  const sameType = valid.filter((entry) => entry.type === type);
  if (sameType.length > 0) return { kind: "changed", entries: sameType };
  // ssh(1) takes an entry without a port for the same key on another port, but never complains about it.
  if (port !== 22 && judgeHostKey(entries, host, 22, offered).kind === "known")
    return { kind: "known" };
  return { kind: "unknown", others: valid };
}

/** Key types known for a host, in file order: the host must be asked for one of these first. */
export function listKnownKeyTypes(
  entries: readonly KnownHost[],
  host: string,
  port: number,
): string[] {
  const typesOf = (name: string): string[] =>
    entries
      .filter((entry) => entry.marker === undefined && matchesKnownHost(entry, name))
      .map((entry) => entry.type);
  const exact = typesOf(knownHostName(host, port));
  return [...new Set(exact.length > 0 || port === 22 ? exact : typesOf(knownHostName(host, 22)))];
}

/** True when a certificate authority is set for this host: hostkit cannot use it and says so. */
export function hasCertificateAuthority(
  entries: readonly KnownHost[],
  host: string,
  port: number,
): boolean {
  const name = knownHostName(host, port);
  return entries.some(
    (entry) => entry.marker === "cert-authority" && matchesKnownHost(entry, name),
  );
}

/** `SHA256:…` without padding, as `ssh-keygen -l` prints it. */
export function fingerprintKey(key: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** The algorithm name a key in wire format begins with; empty when it is none. */
export function readKeyType(key: Uint8Array): string {
  const buffer = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  if (buffer.length < 4) return "";
  const length = buffer.readUInt32BE(0);
  return length > 64 || buffer.length < 4 + length ? "" : buffer.toString("latin1", 4, 4 + length);
}
