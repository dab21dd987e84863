import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { base64Of } from "./base64.ts";
import { dockerHub } from "./image-reference.ts";

/** Who logs in to a registry, and with what. */
export interface RegistryLogin {
  /** As `canonicalRegistry` gives it. */
  readonly registry: string;
  /** Without a colon: that ends it (RFC 7617). */
  readonly user: string;
  readonly password: string | Uint8Array;
}

/** `user:password` as HTTP's Basic scheme and Docker write it. A secret. */
export function basicCredentials({ user, password }: Omit<RegistryLogin, "registry">): string {
  const bytes = concatBytes(
    utf8ToBytes(`${user}:`),
    typeof password === "string" ? utf8ToBytes(password) : password,
  );
  return base64Of(bytes);
}

/** The key that Docker's client looks for where the Hub is meant: the address of its first API. */
const hubKey = "https://index.docker.io/v1/";

/** Docker's config.json with these logins and nothing else. A secret. */
export function writeDockerConfig(logins: readonly RegistryLogin[]): string {
  const auths = logins
    .toSorted((left, right) => (left.registry < right.registry ? -1 : 1))
    .map((login) => [
      login.registry === dockerHub ? hubKey : login.registry,
      { auth: basicCredentials(login) },
    ]);
  return `${JSON.stringify({ auths: Object.fromEntries(auths) as unknown }, undefined, 2)}\n`;
}
